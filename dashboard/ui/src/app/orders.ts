/** What a reader can do to the desk: place, change, cancel, close. Each asks first where it must, and tells what came of it. */

import { type Order, type Position } from '../core/desk';
import { money, plain, price } from '../core/format';
import { usualDecimals } from '../core/narrate';
import { isStale } from '../core/quotes';
import { orderWords, type OrderBody } from '../core/ticket';
import { type Answer, change, get } from './api';
import { ask } from './confirm';
import { confirmLevel } from './settings';
import { desk, instruments, quotes, session } from './store';
import { loadDesk } from './sync';
import { tellAnswer } from './toasts';

export function isLive(broker: string): boolean {
  return session.peek()?.modes.get(broker) === 'live';
}

function path(broker: string, rest: string): string {
  return `/api/arena/brokers/${encodeURIComponent(broker)}/${rest}`;
}

/** Whether a change at `broker` asks first: always where money is real. */
function mustAsk(broker: string): boolean {
  return isLive(broker) || confirmLevel.peek() === 'always';
}

/** Place `body`; null when the reader thought better of it. */
export async function place(broker: string, body: OrderBody, clientOrderId: string): Promise<Answer | null> {
  const quote = quotes.peek().get(body.instrument);
  const isOld = !quote || isStale(quote, Date.now());
  const held = desk.peek().positions.list.find((one) => one.broker === broker && one.instrument === body.instrument && one.side !== body.side);
  if (mustAsk(broker) || isOld || held) {
    const decimals = instruments.peek().get(body.instrument)?.decimals ?? usualDecimals(body.instrument);
    const yes = await ask({
      title: isLive(broker) ? 'Place this order with real money?' : 'Place this order?',
      lines: [
        orderWords(body, decimals),
        `Stop ${price(body.stop_loss_price, decimals)}, target ${price(body.take_profit_price, decimals)}`,
        ...(body.trailing_stop_distance ? [`The stop trails by ${plain(body.trailing_stop_distance)}`] : []),
        ...(held ? [`It goes against what you hold: ${held.side === 'SELL' ? 'short' : 'long'} ${plain(held.units)} ${held.instrument}.`] : []),
        ...(isOld ? ['Its price is old: nobody knows where the market stands now.'] : []),
      ],
      action: `Place it${isLive(broker) ? ', live' : ''}`,
      isDanger: false,
      isLive: isLive(broker),
    });
    if (!yes) return null;
  }
  const answer = await change('POST', path(broker, 'orders'), { ...body, client_order_id: clientOrderId });
  loadDesk();
  return answer;
}

export function preview(broker: string, body: OrderBody): Promise<Answer> {
  return change('POST', path(broker, 'orders/preview'), body);
}

/** What became of the order under our own id: an empty list when it never arrived. */
export function lookUp(broker: string, clientOrderId: string): Promise<Answer> {
  return get(path(broker, `orders?client_order_id=${encodeURIComponent(clientOrderId)}`));
}

export async function cancel(order: Order): Promise<void> {
  const words = `${order.side} ${order.units} ${order.instrument}`;
  if (mustAsk(order.broker)) {
    const lines = [`${order.orderId}: ${words}`];
    if (!(await ask({ title: 'Cancel this order?', lines, action: 'Cancel the order', isDanger: true, isLive: isLive(order.broker) }))) return;
  }
  const answer = await change('DELETE', path(order.broker, `orders/${encodeURIComponent(order.orderId)}`));
  tellAnswer(`Cancel ${order.orderId}`, answer);
  loadDesk();
}

export type Modification = Readonly<Partial<Record<'entry_price' | 'stop_loss_price' | 'take_profit_price' | 'ttl_min', string>>>;

export async function modify(order: Order, changes: Modification): Promise<Answer | null> {
  if (mustAsk(order.broker)) {
    const lines = [
      `${order.orderId}: ${order.side} ${order.units} ${order.instrument}`,
      ...Object.entries(changes).map(([field, to]) => `${field.replaceAll('_', ' ')}: ${to}`),
    ];
    const asked = { title: 'Change this order?', lines, action: 'Change it', isDanger: false, isLive: isLive(order.broker) };
    if (!(await ask(asked))) return null;
  }
  const answer = await change('PATCH', path(order.broker, `orders/${encodeURIComponent(order.orderId)}`), changes);
  tellAnswer(`Change ${order.orderId}`, answer);
  loadDesk();
  return answer;
}

/** Close `position`, all of it or `units`; the dialog that calls this has asked already. */
export async function close(position: Position, units: string | null, alsoOrders: readonly Order[]): Promise<boolean> {
  const query = new URLSearchParams({ side: position.side, ...(units === null ? {} : { units }) });
  const what = `Close ${plain(units ?? position.units)} ${position.instrument}`;
  // Entries first: one that fills while the position closes would open it again.
  for (const order of alsoOrders) {
    const cancelled = await change('DELETE', path(order.broker, `orders/${encodeURIComponent(order.orderId)}`));
    tellAnswer(`Cancel ${order.orderId}`, cancelled);
  }
  const answer = await change('DELETE', path(position.broker, `positions/${encodeURIComponent(position.instrument)}?${query.toString()}`));
  const done = tellAnswer(what, answer);
  loadDesk();
  return done;
}

/** Close every position that is listed, one after the other, after one question that names them all. */
export async function closeAll(positions: readonly Position[]): Promise<void> {
  const yes = await ask({
    title: 'Close every position?',
    lines: positions.map((one) => `${one.side === 'SELL' ? 'Short' : 'Long'} ${plain(one.units)} ${one.instrument}, ${one.broker}: ${estimate(one)}`),
    action: 'close all at the market',
    isDanger: true,
    isLive: positions.some((one) => isLive(one.broker)),
    isHeld: true,
  });
  if (!yes) return;
  for (const position of positions) await close(position, null, []);
}

/** Cancel the reader's own unfilled entries at every broker (an admin's: everybody's). */
export async function cancelAll(orders: readonly Order[]): Promise<void> {
  const venues = [...new Set(orders.map((order) => order.broker))];
  const yes = await ask({
    title: 'Cancel every resting entry?',
    lines: orders.map((order) => `${order.orderId}: ${order.side} ${order.units} ${order.instrument}`),
    action: 'Cancel them all',
    isDanger: true,
    isLive: venues.some(isLive),
  });
  if (!yes) return;
  for (const broker of venues) tellAnswer(`Cancel all at ${broker}`, await change('DELETE', path(broker, 'orders')));
  loadDesk();
}

/** Whether closing asks nothing: one-click mode, and never where money is real. */
export function isOneClick(broker: string): boolean {
  return confirmLevel.peek() === 'one-click' && !isLive(broker);
}

/** What closing would bring by the server's figures, in words. */
export function estimate(position: Position): string {
  if (position.openPnl === null) return 'no fresh price to estimate with';
  return `${money(position.openPnl, position.currency)} ${position.currency} at the last price`;
}

/** Stop all trading: no new orders, resting entries cancelled, and positions closed where that was asked for. */
export function halt(flatten: boolean): Promise<Answer> {
  return change('POST', '/api/arena/admin/trading-state', { state: 'HALTED', cancel: true, flatten, reason: 'halted on the page' });
}

export function resume(): Promise<Answer> {
  return change('POST', '/api/arena/admin/trading-state', { state: 'ACTIVE', cancel: false, flatten: false, reason: 'resumed on the page' });
}

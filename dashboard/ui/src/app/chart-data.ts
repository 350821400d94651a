/** What the chart shows: candles of the chosen instrument, kept live; its open brackets as lines; its fills as marks. */

import { computed, effect, signal } from '@preact/signals';
import type { ChartLine, FillMark } from '../chart/arena-chart';
import { advance, type Candle, type Granularity, readCandles } from '../core/candles';
import { isWorking, type Order } from '../core/desk';
import { fromWire } from '../core/decimal';
import { middleOf } from '../core/quotes';
import { get } from './api';
import { granularity, selectedInstrument } from './settings';
import { connection, desk, feed, quotes } from './store';

const COUNT = 500;
/** What four quotes a second do not show, the next asking does. */
const RELOAD_MS = 30_000;

export interface ChartData {
  readonly instrument: string;
  readonly granularity: Granularity;
  readonly candles: readonly Candle[];
  readonly state: 'loading' | 'ok' | 'down';
}

export const chartData = signal<ChartData>({ instrument: '', granularity: 'M1', candles: [], state: 'loading' });
/** The last candle, moved by quotes; the rest of the picture stays. */
export const lastCandle = signal<Candle | null>(null);

let asked = 0;

async function load(name: string, length: Granularity): Promise<void> {
  const mine = ++asked;
  const shown = chartData.peek();
  const same = shown.instrument === name && shown.granularity === length;
  if (!same) {
    lastCandle.value = null;
    chartData.value = { instrument: name, granularity: length, candles: [], state: 'loading' };
  }
  const query = new URLSearchParams({ instrument: name, granularity: length, count: String(COUNT) });
  const answer = await get(`/api/market/candles?${query.toString()}`);
  if (mine !== asked) return;
  if (answer.kind !== 'ok') {
    chartData.value = { ...chartData.peek(), state: 'down' };
    return;
  }
  const candles = readCandles(answer.body);
  lastCandle.value = candles.at(-1) ?? null;
  chartData.value = { instrument: name, granularity: length, candles, state: 'ok' };
}

let following = false;

/** Follow choices, quotes and reconnects, from the first time the chart is shown. */
export function followChart(): void {
  if (following) return;
  following = true;
  followFills();
  effect(() => void load(selectedInstrument.value, granularity.value));
  effect(() => {
    if (connection.value.phase === 'live') void load(selectedInstrument.peek(), granularity.peek());
  });
  setInterval(() => {
    if (!document.hidden) void load(selectedInstrument.peek(), granularity.peek());
  }, RELOAD_MS);
  effect(() => {
    const quote = quotes.value.get(selectedInstrument.value);
    const { instrument, state, granularity: length } = chartData.peek();
    if (!quote || state !== 'ok' || instrument !== quote.instrument) return;
    const next = advance(lastCandle.peek() ?? undefined, Number(middleOf(quote)), quote.marketAt, length);
    if (next) lastCandle.value = next;
  });
}

/** Three labels each: those of more brackets would hide the price and the candles beside it. */
export const LABELLED_MAX = 5;

/** Its brackets that are not over, the newest first. */
export function bracketsOf(instrument: string): readonly Order[] {
  return desk.value.orders.list
    .filter((order) => order.instrument === instrument && isWorking(order))
    .sort((a, b) => (a.placedAt < b.placedAt ? 1 : a.placedAt > b.placedAt ? -1 : 0));
}

/** Entry, stop and target of every open bracket of the chosen instrument, and what is quoted now. */
export const chartLines = computed<readonly ChartLine[]>(() => {
  const name = selectedInstrument.value;
  const lines: ChartLine[] = [];
  let isLabelled = true;
  const add = (key: string, kind: ChartLine['kind'], price: string | null | undefined, title: string): void => {
    if (price !== null && price !== undefined) lines.push({ key, kind, price: Number(price), title, isLabelled });
  };
  for (const [place, order] of bracketsOf(name).entries()) {
    isLabelled = place < LABELLED_MAX;
    const short = order.orderId.replace(/^.*-(\d+)$/, '#$1');
    const isIn = order.status === 'OPEN';
    add(
      `${order.orderId} entry`,
      'entry',
      isIn ? order.averageEntry : order.entry,
      `${short} ${isIn ? (order.side === 'BUY' ? 'long' : 'short') : order.side.toLowerCase()} ${order.units}`,
    );
    add(`${order.orderId} stop`, 'stop', order.stop, order.trailing ? `${short} trailing stop` : `${short} stop`);
    add(`${order.orderId} target`, 'target', order.target, `${short} target`);
  }
  const quote = quotes.value.get(name);
  add('bid', 'bid', quote?.bid, '');
  add('ask', 'ask', quote?.ask, '');
  return lines;
});

/** More arrows than that hide the candles, and each costs a look at every drawing. */
const FILLS_MAX = 80;
/** In a burst of fills the arrows may follow a little later than the words. */
const FILLS_EVERY_MS = 500;

/** Fills of the chosen instrument, the newest, as far as the feed reaches back. */
export const chartFills = signal<readonly FillMark[]>([]);

function followFills(): void {
  let timer: number | undefined;
  let last = '';
  const look = (): void => {
    timer = undefined;
    const fills = readFills(selectedInstrument.peek());
    const what = `${selectedInstrument.peek()} ${fills.length} ${fills[0]?.time} ${fills.at(-1)?.time}`;
    if (what !== last) chartFills.value = fills;
    last = what;
  };
  effect(() => {
    if (feed.value.lines && selectedInstrument.value) timer ??= window.setTimeout(look, FILLS_EVERY_MS);
  });
}

function readFills(name: string): FillMark[] {
  const marks: FillMark[] = [];
  const { lines } = feed.peek();
  for (let i = lines.length - 1; i >= 0 && marks.length < FILLS_MAX; i -= 1) {
    const line = lines[i];
    if (!line?.event || line.instrument !== name || (line.type !== 'order_filled' && line.type !== 'order_partially_filled')) continue;
    const { side, leg, fill_units: units } = line.event.payload;
    const isExit = leg !== undefined && leg !== 'entry';
    const bought = (side === 'BUY') !== isExit;
    const time = Date.parse(line.ts) / 1000;
    if (Number.isFinite(time))
      marks.push({ time, side: bought ? 'BUY' : 'SELL', text: fromWire(units ?? line.event.payload['units'] ?? null) ?? '' });
  }
  return marks.reverse();
}

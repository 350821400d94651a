/**
 * Events as the words of the narration feed.
 *
 * The three lines of the first version are kept to the letter; other types follow their pattern. A line is a list of parts whose texts,
 * joined by one blank, are the line: the page colours parts, an export or a copy joins them. A type nobody here knows is still told, by its
 * own name: nothing that was journalled goes unseen.
 */

import { compare, decimalFromWire, isZero } from './decimal';
import { money, plain, price, signedMoney, signOf } from './format';
import type { IconName } from './icons';
import { capital, oneLine, words } from './text';
import { type ArenaEvent, instrumentOf, isRecord, type Json, orderIdOf, type Payload } from './wire';

/** How a line feels; the view maps it to a colour, and each line also has an icon and words. */
export type Tone = 'plain' | 'good' | 'bad' | 'warning' | 'serious';

export type Role = 'label' | 'symbol' | 'buy' | 'sell' | 'text' | 'extra' | 'quote';

export interface Part {
  readonly role: Role;
  readonly text: string;
}

export interface Telling {
  readonly icon: IconName;
  readonly tone: Tone;
  readonly parts: readonly Part[];
}

/** Places of an instrument's price; what is not known yet goes by the usual ones of its kind. */
export type DecimalsOf = (instrument: string) => number;

export function usualDecimals(instrument: string): number {
  if (instrument.includes('-')) return 2;
  return instrument.endsWith('_JPY') ? 3 : 5;
}

export type AssetClass = 'forex' | 'crypto';

/** By its name: venues of coins write BTC-USD, of currencies EUR_USD. */
export function assetClassOf(instrument: string): AssetClass {
  return instrument.includes('-') ? 'crypto' : 'forex';
}

// Maps, not objects: a payload may say 'constructor'.
const FIELDS: ReadonlyMap<string, string> = new Map([
  ['stop_loss_price', 'SL'],
  ['take_profit_price', 'TP'],
  ['entry_price', 'Entry'],
  ['ttl_min', 'TTL min'],
]);

/** The words for one event. */
export function tell(event: ArenaEvent, decimalsOf: DecimalsOf = usualDecimals): Telling {
  const { payload } = event;
  const instrument = instrumentOf(payload);
  const tellType = TELLINGS.get(event.type);
  const telling = tellType ? tellType(event, payload, decimalsOf(instrument)) : tellUnknown(event);
  return { ...telling, parts: telling.parts.filter((part) => part.text !== '') };
}

type Tell = (event: ArenaEvent, payload: Payload, decimals: number) => Telling;

const label = (text: string): Part => ({ role: 'label', text });
const text = (value: string): Part => ({ role: 'text', text: value });
const extra = (...values: string[]): Part => ({
  role: 'extra',
  text: values
    .filter(Boolean)
    .map((value) => `| ${value}`)
    .join(' '),
});
const symbol = (payload: Payload): Part => ({ role: 'symbol', text: instrumentOf(payload) });

function side(payload: Payload): Part {
  const word = oneLine(payload['side'], 8).toUpperCase();
  return { role: word === 'SELL' ? 'sell' : 'buy', text: word };
}

function units(payload: Payload): string {
  return plain(payload['units'] ?? payload['size']);
}

function orderId(event: ArenaEvent): Part {
  const id = orderIdOf(event);
  return text(id && `Order ID: ${id}`);
}

/** What the prices brought, and beside it the fees: the one without the other looks like a win that was none. */
function profit(payload: Payload): string {
  const value = payload['realized_pnl'];
  if (value === undefined || value === null) return '';
  const fees = payload['fees'] ?? payload['fee'];
  return `P&L ${signedMoney(value)}${signOf(fees) ? `, fees ${money(fees)}` : ''}`;
}

/** By what is left when the fees are paid. */
function profitTone(payload: Payload): Tone {
  const won = decimalFromWire(payload['realized_pnl']);
  const fees = decimalFromWire(payload['fees'] ?? payload['fee']);
  const left = won && fees && !isZero(fees) ? compare(won, fees) : signOf(payload['realized_pnl']);
  return (['bad', 'plain', 'good'] as const)[left + 1] ?? 'plain';
}

const tellPlaced: Tell = (_event, payload) => {
  const stop = plain(payload['sl'] ?? payload['stop_loss_price']);
  const target = plain(payload['tp'] ?? payload['take_profit_price']);
  const mode = oneLine(payload['mode'], 12) || 'paper';
  const status = oneLine(payload['status'], 24) || 'PENDING';
  const rest = `${units(payload)} units | SL: ${stop}, TP: ${target} | Mode: ${mode} | Status: ${status}`;
  return { icon: 'placed', tone: 'plain', parts: [label('OCO Placed'), symbol(payload), side(payload), text(rest)] };
};

const tellFilled: Tell = (event, payload, decimals) => {
  const leg = oneLine(payload['leg'], 20);
  const isExit = leg !== '' && leg !== 'entry';
  const partly = event.type === 'order_partially_filled';
  const filled = plain(payload['fill_units'] ?? payload['units'] ?? payload['size']);
  const left = partly && payload['remaining_units'] !== undefined ? `${plain(payload['remaining_units'])} to go` : '';
  return {
    icon: 'filled',
    tone: isExit ? profitTone(payload) : 'plain',
    parts: [
      label(partly ? 'Order Partially Filled' : 'Order Filled'),
      symbol(payload),
      text(`${filled} @ ${price(payload['price'], decimals)}`),
      extra(left, isExit ? capital(words(leg)) : '', isExit ? profit(payload) : ''),
    ],
  };
};

const tellCancelled: Tell = (event, payload) => {
  const leg = oneLine(payload['leg'], 20);
  const reason = words(payload['reason']);
  return {
    icon: 'cancelled',
    tone: 'plain',
    parts: [label('Order Cancelled'), symbol(payload), orderId(event), extra(leg && leg !== 'entry' ? words(leg) : '', reason)],
  };
};

const tellModified: Tell = (event, payload, decimals) => {
  const changes = isRecord(payload['changes']) ? Object.entries(payload['changes']) : [];
  const told = changes.slice(0, 6).map(([field, value]) => {
    const now = isRecord(value) ? (value['to'] ?? value['new'] ?? null) : value;
    return `${FIELDS.get(field) ?? words(field)}: ${field.endsWith('_price') ? price(now, decimals) : plain(now)}`;
  });
  return { icon: 'modified', tone: 'plain', parts: [label('Order Modified'), symbol(payload), orderId(event), extra(told.join(', '))] };
};

const tellClosed: Tell = (event, payload) => {
  const r = payload['r_multiple'];
  const multiple = r === undefined || r === null ? '' : `${signedMoney(r)} R`;
  return {
    icon: 'closed',
    tone: profitTone(payload),
    parts: [label('Bracket Closed'), symbol(payload), orderId(event), extra(capital(words(payload['close_reason'])), profit(payload), multiple)],
  };
};

/** Events of one pattern: icon, tone, label, and which words of the payload follow. */
function simple(icon: IconName, tone: Tone, name: string, ...fields: string[]): Tell {
  return (event, payload) => ({
    icon,
    tone,
    parts: [
      label(name),
      symbol(payload),
      orderId(event),
      extra(...fields.map((field) => capital(words(payload[field])))),
      // Where neither an instrument nor an order says what it is about, the source does.
      text(instrumentOf(payload) || orderIdOf(event) ? '' : event.source),
    ],
  });
}

const tellRejected: Tell = (_event, payload) => {
  const quantity = payload['units'] === undefined && payload['size'] === undefined ? '' : `${units(payload)} units`;
  return {
    icon: 'rejected',
    tone: 'bad',
    parts: [
      label('Order Rejected'),
      symbol(payload),
      side(payload),
      text(quantity),
      extra(oneLine(payload['code'], 60), oneLine(payload['message'], 240)),
    ],
  };
};

function seconds(before: string, value: Json | undefined, perSecond = 1): string {
  return typeof value === 'number' && Number.isFinite(value) ? `${before} ${(value / perSecond).toFixed(1).replace(/\.0$/, '')} s` : '';
}

/** In what the venue was other than the books, in words; the first few. */
function differences(details: Json | undefined): readonly string[] {
  const listed = isRecord(details) ? details['differences'] : undefined;
  return Array.isArray(listed)
    ? listed
        .slice(0, 3)
        .map((one) => oneLine(one, 160))
        .filter(Boolean)
    : [];
}

/** What a source says of itself and its prices: the source, what it concerns, then what follows from the payload. */
function tellFeed(tone: Tone, name: string, rest: (payload: Payload) => readonly string[]): Tell {
  return (event, payload) => {
    const listed = Array.isArray(payload['instruments']) ? payload['instruments'] : [payload['instrument']];
    const concerned = listed
      .map((one) => oneLine(one, 24))
      .filter(Boolean)
      .join(', ');
    return {
      icon: FEED_ICONS.get(event.type) ?? 'feed',
      tone,
      parts: [label(name), text(event.source), { role: 'symbol', text: concerned }, extra(...rest(payload))],
    };
  };
}

const FEED_ICONS: ReadonlyMap<string, IconName> = new Map([
  ['reconciled', 'books'],
  ['clock_stepped', 'alarm'],
  ['source_reset', 'restart'],
  ['paper_reset', 'restart'],
]);

const tellState: Tell = (event, payload) => {
  const state = oneLine(payload['new'], 16).toUpperCase();
  const by = oneLine(payload['changed_by'], 60);
  return {
    icon: 'power',
    tone: state === 'ACTIVE' ? 'good' : 'warning',
    parts: [label('Trading State'), text(`${event.source} ${state}`), extra(by && `by ${by}`, oneLine(payload['reason'], 120))],
  };
};

const tellHeartbeat: Tell = (_event, payload) => {
  const programs = isRecord(payload['programs']) ? payload['programs'] : payload;
  const told = Object.entries(programs).flatMap(([name, beat]) => {
    if (!isRecord(beat)) return [];
    const status = beat['status'] ?? beat['state'];
    return [`${oneLine(name, 20)} ${words(status)}`.trim()];
  });
  return { icon: 'heartbeat', tone: 'plain', parts: [label('Heartbeat'), text(told.slice(0, 8).join(', '))] };
};

const TONES: ReadonlySet<string> = new Set(['plain', 'good', 'bad', 'warning', 'serious']);

const tellRick: Tell = (_event, payload) => {
  const tone = oneLine(payload['tone'], 12);
  return {
    icon: 'rick',
    tone: TONES.has(tone) ? (tone as Tone) : 'plain',
    parts: [label('Rick'), { role: 'quote', text: oneLine(payload['text'], 600) }],
  };
};

function tellUnknown(event: ArenaEvent): Telling {
  return {
    icon: 'other',
    tone: 'plain',
    parts: [label(capital(words(event.type))), symbol(event.payload), orderId(event), text(event.source)],
  };
}

const TELLINGS: ReadonlyMap<string, Tell> = new Map(
  Object.entries({
    oco_placed: tellPlaced,
    order_filled: tellFilled,
    order_partially_filled: tellFilled,
    order_cancelled: tellCancelled,
    order_modified: tellModified,
    bracket_closed: tellClosed,
    trading_state_changed: tellState,
    heartbeat: tellHeartbeat,
    narration: tellRick,
    order_rejected: tellRejected,
    order_unknown: simple('unknown', 'warning', 'Order Unknown', 'status'),
    order_resolved: simple('filled', 'plain', 'Order Resolved', 'status'),
    protection_lost: simple('alarm', 'serious', 'Protection Lost', 'reason'),
    protection_restored: simple('shield', 'good', 'Protection Restored', 'protection'),
    feed_stale: tellFeed('warning', 'Feed Stale', (payload) => [words(payload['reason']), seconds('no quote for', payload['age_ms'], 1000)]),
    feed_recovered: tellFeed('good', 'Feed Recovered', (payload) => [seconds('silent for', payload['silent_s'])]),
    reconciled: tellFeed('plain', 'Reconciled', (payload) => {
    const found = differences(payload['details']);
    return found.length > 0 ? found : [seconds('blind for', payload['blind_s']), `${plain(payload['orders'])} orders open`];
  }),
    clock_stepped: tellFeed('warning', 'Clock Stepped', (payload) => [seconds('by', payload['step_s'])]),
    source_reset: tellFeed('warning', 'History Begins', (payload) => [words(payload['reason'])]),
    paper_reset: tellFeed('plain', 'Paper Account Reset', (payload) => [
      `balance ${money(payload['balance'], oneLine(payload['currency'], 8))} ${oneLine(payload['currency'], 8)}`,
      oneLine(payload['reset_by'], 60) && `by ${oneLine(payload['reset_by'], 60)}`,
    ]),
  }),
);

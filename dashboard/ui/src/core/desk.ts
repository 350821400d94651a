/**
 * The desk: orders, positions and accounts as the servers last told them. Nothing here is computed from events; an event only says that it
 * is time to ask again, so that there is one figure for a thing, the server's.
 */

import { fromWire } from './decimal';
import { oneLine } from './text';
import { type ArenaEvent, isRecord, type Json, type Payload } from './wire';

export interface Order {
  readonly orderId: string;
  readonly clientOrderId: string;
  readonly broker: string;
  readonly mode: string;
  readonly status: string;
  readonly placedBy: string;
  readonly instrument: string;
  readonly side: string;
  readonly units: string;
  readonly entryType: string;
  readonly entry: string | null;
  /** Where the stop stands now: a trailing one has moved on from the price it was ordered at. */
  readonly stop: string | null;
  readonly target: string | null;
  readonly trailing: string | null;
  readonly quality: string | null;
  /** Seconds since 1970; null when the entry has none. */
  readonly ttlExpiresAt: number | null;
  readonly protection: string;
  readonly placedAt: string;
  readonly filledUnits: string;
  readonly positionUnits: string;
  readonly averageEntry: string | null;
  readonly realizedPnl: string | null;
  readonly fees: string | null;
  readonly closeReason: string;
  readonly cancelReason: string;
  /** As it came, for the detail view. */
  readonly raw: Payload;
}

export interface Position {
  readonly broker: string;
  readonly instrument: string;
  readonly side: string;
  readonly units: string;
  readonly averagePrice: string | null;
  readonly price: string | null;
  readonly openPnl: string | null;
  readonly currency: string;
  readonly protection: string;
  readonly orderIds: readonly string[];
  readonly isStale: boolean;
}

export interface Account {
  readonly broker: string;
  readonly mode: string;
  readonly currency: string;
  readonly balance: string | null;
  readonly equity: string | null;
  readonly openPnl: string | null;
  readonly realizedPnl: string | null;
  readonly marginUsed: string | null;
  readonly marginAvailable: string | null;
  readonly holdings: ReadonlyMap<string, string>;
  readonly isStale: boolean;
}

/** One execution, newest first in the desk. */
export interface Fill {
  readonly fillId: string;
  readonly orderId: string;
  readonly leg: string;
  readonly instrument: string;
  readonly side: string;
  readonly units: string;
  readonly price: string | null;
  readonly fee: string | null;
  readonly realizedPnl: string | null;
  readonly at: string;
}

/** A closed bracket's result. */
export interface Trade {
  readonly orderId: string;
  readonly placedBy: string;
  readonly instrument: string;
  readonly side: string;
  readonly units: string;
  readonly entry: string | null;
  readonly exit: string | null;
  /** After fees. */
  readonly netPnl: string | null;
  readonly rMultiple: string | null;
  readonly quality: string | null;
  readonly closeReason: string;
  readonly closedAt: string;
  readonly heldS: number | null;
}

/** What became of asking: `never` asked, `ok`, `locked` (log in first), `absent` (this server does not offer it), `down`. */
export type Fetched = 'never' | 'ok' | 'locked' | 'absent' | 'down';

export interface Part<T> {
  readonly fetched: Fetched;
  /** When the list was last told, ms since 1970; what it held then stays visible while it cannot be asked for. */
  readonly at: number;
  readonly list: readonly T[];
  /** Brokers that did not answer; their part is missing or old. */
  readonly unavailable: readonly string[];
  /** The server's own words, where it answered with a fault. */
  readonly fault?: string;
  /** Where the page after this list begins. */
  readonly next?: Cursors;
}

/** Places in lists, as a server's `next` gave them: by broker, `''` for a list of all brokers. One that has no older page is missing. */
export type Cursors = ReadonlyMap<string, string>;

export interface Desk {
  readonly orders: Part<Order>;
  readonly positions: Part<Position>;
  readonly accounts: Part<Account>;
  readonly fills: Part<Fill>;
  readonly trades: Part<Trade>;
  /** How many events that change a desk were told; when it rises, it is time to ask again. */
  readonly told: number;
}

const NEVER = { fetched: 'never', at: 0, list: [], unavailable: [] } as const;

export const EMPTY_DESK: Desk = { orders: NEVER, positions: NEVER, accounts: NEVER, fills: NEVER, trades: NEVER, told: 0 };

/** What comes in pages. */
export type PagedName = 'orders' | 'fills' | 'trades';

export type PartName = 'orders' | 'positions' | 'accounts' | 'fills' | 'trades';

export type DeskEvent =
  | { readonly kind: 'told'; readonly events: readonly ArenaEvent[] }
  | { readonly [N in PartName]: { readonly kind: 'part'; readonly name: N; readonly part: Desk[N] } }[PartName]
  | { readonly kind: 'trouble'; readonly name: PartName; readonly fetched: Fetched; readonly fault: string };

export function reduceDesk(desk: Desk, event: DeskEvent): Desk {
  switch (event.kind) {
    case 'told': {
      const changes = event.events.filter((one) => one.type !== 'narration').length;
      return changes ? { ...desk, told: desk.told + changes } : desk;
    }
    case 'part':
      return { ...desk, [event.name]: withStanding(desk[event.name], event.part) };
    case 'trouble':
      if (desk[event.name].fetched === event.fetched && desk[event.name].fault === event.fault) return desk;
      return { ...desk, [event.name]: { ...desk[event.name], fetched: event.fetched, fault: event.fault } };
  }
}

/** What was known of brokers that do not answer now stands as it was: a position that vanishes from the screen looks closed. Its profit is old. */
function withStanding(before: Part<unknown>, part: Part<unknown>): Part<unknown> {
  const isSilent = (one: unknown): boolean => isHeldAt(one) && part.unavailable.includes(one.broker);
  const kept = part.unavailable.length ? before.list.filter(isSilent) : [];
  if (kept.length === 0) return part;
  const list = [...part.list.filter((one) => !isSilent(one)), ...kept.map((one) => ({ ...(one as object), isStale: true }))];
  // Each in its place: what changes places looks like something else.
  const brokers = [...new Set(before.list.filter(isHeldAt).map(({ broker }) => broker))];
  const place = (one: unknown): number => (isHeldAt(one) ? brokers.indexOf(one.broker) : -1);
  return { ...part, list: list.sort((a, b) => ('placedAt' in (a as object) ? later(a as Order, b as Order) : place(a) - place(b))) };
}

function later(a: Order, b: Order): number {
  return a.placedAt < b.placedAt ? 1 : a.placedAt > b.placedAt ? -1 : 0;
}

/** Positions, orders and accounts name their broker; fills and trades have happened, and can wait. */
export function isHeldAt(one: unknown): one is { readonly broker: string } {
  return typeof one === 'object' && one !== null && 'broker' in one;
}

/** The newest first, of whichever broker: RFC 3339 times of one form are in the order of their letters. */
export function newestFirst<T extends Fill | Trade>(list: readonly T[]): T[] {
  const at = (one: Fill | Trade): string => ('at' in one ? one.at : one.closedAt);
  return [...list].sort((a, b) => (at(a) < at(b) ? 1 : at(a) > at(b) ? -1 : 0));
}

const text = (value: Json | undefined): string => oneLine(value, 120);
const exact = (value: Json | undefined): string | null => fromWire(value ?? null);
const list = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : []);

export function readOrder(value: unknown, broker = ''): Order | null {
  if (!isRecord(value)) return null;
  const expires = value['ttl_expires_at'];
  return {
    orderId: text(value['order_id']),
    clientOrderId: text(value['client_order_id']),
    broker: text(value['broker']) || broker,
    mode: text(value['mode']),
    status: text(value['status']),
    placedBy: text(value['placed_by']),
    instrument: text(value['instrument'] ?? value['product_id']),
    side: text(value['side']).toUpperCase(),
    units: exact(value['units'] ?? value['size']) ?? '',
    entryType: text(value['entry_type']) || 'limit',
    entry: exact(value['entry_price']),
    stop: standingStop(value) ?? exact(value['stop_loss_price']),
    target: exact(value['take_profit_price']),
    trailing: exact(value['trailing_stop_distance']),
    quality: exact(value['quality_score']),
    ttlExpiresAt: typeof expires === 'number' ? expires : null,
    protection: text(value['protection']),
    placedAt: text(value['placed_at']),
    filledUnits: exact(value['filled_units']) ?? '0',
    positionUnits: exact(value['position_units']) ?? '0',
    averageEntry: exact(value['average_entry_price']),
    realizedPnl: exact(value['realized_pnl']),
    fees: exact(value['fees']),
    closeReason: text(value['close_reason']),
    cancelReason: text(value['cancel_reason']),
    raw: value,
  };
}

function standingStop(order: Payload): string | null {
  const leg = list(order['legs']).find((one) => isRecord(one) && one['leg'] === 'stop_loss');
  return isRecord(leg) ? exact(leg['price']) : null;
}

export function readPosition(value: unknown, broker: string): Position | null {
  if (!isRecord(value)) return null;
  return {
    broker: text(value['broker']) || broker,
    instrument: text(value['instrument']),
    side: text(value['side']).toUpperCase(),
    units: exact(value['units']) ?? '',
    averagePrice: exact(value['average_price']),
    price: exact(value['mark_price']),
    openPnl: exact(value['open_pnl']),
    currency: text(value['currency']) || 'USD',
    protection: text(value['protection']),
    orderIds: list(value['order_ids']).map((id) => oneLine(id, 80)),
    isStale: value['stale'] === true,
  };
}

export function readAccount(value: unknown, broker: string): Account | null {
  const account = isRecord(value) && isRecord(value['account']) ? value['account'] : value;
  if (!isRecord(account)) return null;
  const holdings = isRecord(account['holdings']) ? account['holdings'] : {};
  return {
    broker: text(account['broker']) || broker,
    mode: text(account['mode']),
    currency: text(account['currency']) || 'USD',
    balance: exact(account['balance']),
    equity: exact(account['equity']),
    openPnl: exact(account['open_pnl']),
    realizedPnl: exact(account['realized_pnl']),
    marginUsed: exact(account['margin_used']),
    marginAvailable: exact(account['margin_available']),
    holdings: new Map(Object.entries(holdings).map(([coin, units]) => [oneLine(coin, 12), fromWire(units) ?? ''])),
    isStale: account['stale'] === true,
  };
}

export function readFill(value: unknown): Fill | null {
  if (!isRecord(value)) return null;
  return {
    fillId: text(value['fill_id']),
    orderId: text(value['order_id']),
    leg: text(value['leg']),
    instrument: text(value['instrument']),
    side: text(value['side']).toUpperCase(),
    units: exact(value['units']) ?? '',
    price: exact(value['price']),
    fee: exact(value['fee']),
    realizedPnl: exact(value['realized_pnl']),
    at: text(value['filled_at']),
  };
}

export function readTrade(value: unknown): Trade | null {
  if (!isRecord(value)) return null;
  const held = value['held_s'];
  return {
    orderId: text(value['order_id']),
    placedBy: text(value['placed_by']),
    instrument: text(value['instrument']),
    side: text(value['side']).toUpperCase(),
    units: exact(value['units']) ?? '',
    entry: exact(value['entry_price']),
    exit: exact(value['exit_price']),
    netPnl: exact(value['net_pnl']),
    rMultiple: exact(value['r_multiple']),
    quality: exact(value['quality_score']),
    closeReason: text(value['close_reason']),
    closedAt: text(value['closed_at']),
    heldS: typeof held === 'number' ? held : null,
  };
}

/** Entries of a server's list that could be read. */
export function readList<T>(value: unknown, name: string, read: (entry: unknown) => T | null): T[] {
  const entries = isRecord(value) ? value[name] : [];
  return (Array.isArray(entries) ? entries : []).map((entry) => read(entry)).filter((entry) => entry !== null);
}

/** The place behind a page of `broker`'s, if there is more. */
export function nextOf(answer: unknown, broker: string): Cursors {
  const next = isRecord(answer) ? oneLine(answer['next'], 1024) : '';
  return next ? new Map([[broker, next]]) : new Map();
}

const FINAL: ReadonlySet<string> = new Set(['CLOSED', 'CANCELLED', 'EXPIRED', 'REJECTED', 'VOID']);

/** What `isWorking` is true of, as a server's filter names it. */
export const WORKING = ['SUBMITTING', 'PENDING', 'PARTIALLY_FILLED', 'OPEN', 'CANCEL_PENDING', 'UNKNOWN'] as const;

export function isWorking(order: Order): boolean {
  return !FINAL.has(order.status);
}

/** Whether its entry can still be taken back whole. */
export function isCancellable(order: Order): boolean {
  return ['SUBMITTING', 'PENDING', 'PARTIALLY_FILLED', 'UNKNOWN'].includes(order.status);
}

/** How the trading went, as the server reckons it (one definition of every figure: trading/performance.py), and the equity curve. */

import { fromWire, parseDecimal, subtract, toText } from './decimal';
import { oneLine } from './text';
import { isRecord, type Json } from './wire';

/** Figures over some closed trades: exact text, null where there is none (no factor while nothing was lost). */
export interface Figures {
  readonly name: string;
  readonly trades: number;
  readonly wins: number;
  readonly losses: number;
  readonly net: string | null;
  readonly fees: string | null;
  readonly best: string | null;
  readonly worst: string | null;
  /** 0 to 1. */
  readonly winRate: string | null;
  readonly expectancy: string | null;
  readonly expectancyR: string | null;
  readonly profitFactor: string | null;
  readonly drawdownMax: string | null;
  /** Wins in a row, losses negative. */
  readonly streak: number;
}

export const GROUPINGS = ['instrument', 'quality', 'hour', 'weekday'] as const;
export type Grouping = (typeof GROUPINGS)[number];

export interface Performance {
  readonly currency: string;
  readonly total: Figures;
  readonly groups: ReadonlyMap<Grouping, readonly Figures[]>;
}

function count(value: Json | undefined): number {
  return typeof value === 'number' && Number.isSafeInteger(value) ? value : 0;
}

function readFigures(value: Json): Figures {
  const figures = isRecord(value) ? value : {};
  const exact = (name: string): string | null => fromWire(figures[name] ?? null);
  return {
    name: oneLine(figures['name'], 40),
    trades: count(figures['trades']),
    wins: count(figures['wins']),
    losses: count(figures['losses']),
    net: exact('net_pnl'),
    fees: exact('fees'),
    best: exact('best'),
    worst: exact('worst'),
    winRate: exact('win_rate'),
    expectancy: exact('expectancy'),
    expectancyR: exact('expectancy_r'),
    profitFactor: exact('profit_factor'),
    drawdownMax: exact('drawdown_max'),
    streak: count(figures['streak']),
  };
}

/** A server's answer, or null when it is none. */
export function readPerformance(body: unknown): Performance | null {
  const value = isRecord(body) ? body['performance'] : null;
  if (!isRecord(value)) return null;
  const groups = GROUPINGS.map((by): [Grouping, Figures[]] => {
    const list = value[`by_${by}`];
    return [by, (Array.isArray(list) ? list : []).map(readFigures)];
  });
  return { currency: oneLine(value['currency'], 8) || 'USD', total: readFigures(value), groups: new Map(groups) };
}

export interface EquityPoint {
  /** Seconds since 1970. */
  readonly time: number;
  readonly equity: string;
  /** What of it is profit or loss of open positions; null where the server does not say. */
  readonly openPnl: string | null;
}

/** The points of a server's answer, oldest first, one a second at most (the last of it). */
export function readEquity(body: unknown): EquityPoint[] {
  const list = isRecord(body) && Array.isArray(body['equity']) ? body['equity'] : [];
  const points = new Map<number, EquityPoint>();
  for (const entry of list.toReversed()) {
    if (!isRecord(entry)) continue;
    const time = Math.floor(Date.parse(String(entry['at'])) / 1000);
    const equity = fromWire(entry['equity'] ?? null);
    if (Number.isFinite(time) && equity !== null) points.set(time, { time, equity, openPnl: fromWire(entry['open_pnl'] ?? null) });
  }
  return [...points.values()].sort((a, b) => a.time - b.time);
}

/**
 * What an account stood at when the day began: its last point before it. One that has no point from before began today, and began with its first
 * point's equity without what was open in it then.
 */
export function dayBase(points: readonly EquityPoint[], isBefore: (point: EquityPoint) => boolean): string | null {
  const last = points.findLast(isBefore);
  if (last) return last.equity;
  const [first] = points;
  const [equity, open] = [parseDecimal(first?.equity ?? ''), parseDecimal(first?.openPnl ?? '')];
  return equity && open ? toText(subtract(equity, open)) : null;
}

/** A table as CSV. Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers. */
export function toCsv(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => {
    const safe = /^[=+\-@\t\r]/.test(text) && !parseDecimal(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return `${[head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n')}\r\n`;
}

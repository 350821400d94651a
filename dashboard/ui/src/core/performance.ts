/**
 * What came of the trading: sums over closed trades and the equity curve, in exact decimals. The server's figures (net result after fees, R) are
 * only added up and counted, never worked out anew.
 */

import { add, compare, type Decimal, divide, fromWire, isZero, parseDecimal, rounded, subtract, toText } from './decimal';
import type { Trade } from './desk';
import { isRecord } from './wire';

const ZERO: Decimal = { units: 0n, scale: 0 };

export interface Summary {
  readonly count: number;
  readonly wins: number;
  readonly losses: number;
  readonly net: string;
  /** Of a hundred; empty without trades. */
  readonly winRate: string;
  readonly averageR: string;
  /** Won money over lost money; empty when nothing was lost. */
  readonly profitFactor: string;
  readonly best: string;
  readonly worst: string;
}

export interface Group {
  readonly name: string;
  readonly count: number;
  readonly wins: number;
  readonly net: string;
  readonly averageR: string;
}

function exact(text: string | null): Decimal {
  return (text === null ? null : parseDecimal(text)) ?? ZERO;
}

function sum(values: readonly Decimal[]): Decimal {
  return values.reduce(add, ZERO);
}

function average(values: readonly Decimal[], decimals: number): string {
  return values.length ? toText(divide(sum(values), { units: BigInt(values.length), scale: 0 }, decimals)) : '';
}

function multiples(trades: readonly Trade[]): Decimal[] {
  return trades.filter(({ rMultiple }) => rMultiple !== null).map(({ rMultiple }) => exact(rMultiple));
}

export function summarize(trades: readonly Trade[]): Summary {
  const results = trades.map(({ netPnl }) => exact(netPnl));
  const won = results.filter((one) => one.units > 0n);
  const lost = results.filter((one) => one.units < 0n);
  const sorted = [...results].sort(compare);
  const loss = sum(lost);
  return {
    count: trades.length,
    wins: won.length,
    losses: lost.length,
    net: toText(sum(results)),
    winRate: trades.length ? toText(divide({ units: BigInt(won.length) * 100n, scale: 0 }, { units: BigInt(trades.length), scale: 0 }, 0)) : '',
    averageR: average(multiples(trades), 2),
    profitFactor: isZero(loss) ? '' : toText(divide(sum(won), { units: -loss.units, scale: loss.scale }, 2)),
    best: sorted.length ? toText(sorted.at(-1) ?? ZERO) : '',
    worst: sorted.length ? toText(sorted[0] ?? ZERO) : '',
  };
}

/** Trades by a name of theirs, in the order of the names. */
export function groupBy(trades: readonly Trade[], nameOf: (trade: Trade) => string): Group[] {
  const groups = new Map<string, Trade[]>();
  for (const trade of trades) {
    const name = nameOf(trade);
    groups.set(name, [...(groups.get(name) ?? []), trade]);
  }
  return [...groups]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, list]) => {
      const { count, wins, net, averageR } = summarize(list);
      return { name, count, wins, net, averageR };
    });
}

/** `60–79` of a quality score, in steps of twenty; a trade without one is `none`. */
export function qualityBucket(trade: Trade): string {
  const value = trade.quality === null ? null : parseDecimal(trade.quality);
  if (!value) return 'none';
  const score = Number(toText(rounded(value, 0)));
  const low = Math.min(80, Math.floor(score / 20) * 20);
  return `${String(low).padStart(2, '0')}–${low === 80 ? 100 : low + 19}`;
}

export interface EquityPoint {
  /** Seconds since 1970. */
  readonly time: number;
  readonly equity: string;
}

/** The points of a server's answer, oldest first, one a second at most (the last of it). */
export function readEquity(body: unknown): EquityPoint[] {
  const list = isRecord(body) && Array.isArray(body['equity']) ? body['equity'] : [];
  const points = new Map<number, EquityPoint>();
  for (const entry of list.toReversed()) {
    if (!isRecord(entry)) continue;
    const time = Math.floor(Date.parse(String(entry['at'])) / 1000);
    const equity = fromWire(entry['equity'] ?? null);
    if (Number.isFinite(time) && equity !== null) points.set(time, { time, equity });
  }
  return [...points.values()].sort((a, b) => a.time - b.time);
}

/** The deepest fall from a high, as money and as a share of that high in percent. */
export function maxDrawdown(points: readonly EquityPoint[]): { readonly money: string; readonly percent: string } {
  let high: Decimal | null = null;
  let deepest = ZERO;
  let highThen: Decimal | null = null;
  for (const { equity } of points) {
    const now = exact(equity);
    if (!high || compare(now, high) > 0) high = now;
    const fall = subtract(high, now);
    if (compare(fall, deepest) > 0) {
      deepest = fall;
      highThen = high;
    }
  }
  const percent = highThen && highThen.units > 0n ? toText(divide({ units: deepest.units * 100n, scale: deepest.scale }, highThen, 2)) : '0.00';
  return { money: toText(deepest), percent };
}

/** A table as CSV. Text that a spreadsheet would run gets an apostrophe in front; numbers stay numbers. */
export function toCsv(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cell = (text: string): string => {
    const safe = /^[=+\-@\t\r]/.test(text) && !parseDecimal(text) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  return [head, ...rows].map((row) => row.map(cell).join(',')).join('\r\n') + '\r\n';
}

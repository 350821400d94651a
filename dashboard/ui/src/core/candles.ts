/**
 * Candles for the chart: read from market data, kept live by quotes.
 *
 * These numbers become pixels, never money: floats are what a drawing needs. Each quote moves the last candle or begins the next; what lay
 * between two quotes is made good when the candles are asked for again.
 */

import { decimalFromWire, toText } from './decimal';
import { isRecord } from './wire';

export const GRANULARITIES = { S5: 5, M1: 60, M5: 300, M15: 900, H1: 3600, H4: 14_400, D: 86_400 } as const;
export type Granularity = keyof typeof GRANULARITIES;

export interface Candle {
  /** Start of the stretch, seconds since 1970. */
  readonly time: number;
  readonly open: number;
  readonly high: number;
  readonly low: number;
  readonly close: number;
}

function pixel(value: unknown): number {
  const decimal = decimalFromWire(value);
  return decimal ? Number(toText(decimal)) : Number.NaN;
}

/** The middle-price candles of a server's answer, oldest first, each time once; those that cannot be read are left out. */
export function readCandles(body: unknown): Candle[] {
  const list = isRecord(body) ? body['candles'] : null;
  const found: Candle[] = [];
  for (const entry of Array.isArray(list) ? list : []) {
    if (!isRecord(entry) || !isRecord(entry['mid'])) continue;
    const { open, high, low, close } = entry['mid'];
    const time = entry['time'];
    const candle = { time: typeof time === 'number' ? time : Number.NaN, open: pixel(open), high: pixel(high), low: pixel(low), close: pixel(close) };
    if (Object.values(candle).every(Number.isFinite) && candle.time > (found.at(-1)?.time ?? -1)) found.push(candle);
  }
  return found;
}

/** The last candle after a quote of `middle` at `at` ms; null when the quote belongs to a stretch already past. */
export function advance(last: Candle | undefined, middle: number, at: number, granularity: Granularity): Candle | null {
  if (!Number.isFinite(middle)) return null;
  const length = GRANULARITIES[granularity];
  const time = Math.floor(at / 1000 / length) * length;
  if (!last || time > last.time) return { time, open: middle, high: middle, low: middle, close: middle };
  if (time < last.time) return null;
  return { ...last, high: Math.max(last.high, middle), low: Math.min(last.low, middle), close: middle };
}

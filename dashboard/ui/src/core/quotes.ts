/**
 * Prices as they stand, each with the time it was heard: a price without its age is a claim about now that nobody made.
 *
 * Age counts from receipt, not from the quote's own time: a recorded market has times of its own, and clocks differ.
 */

import { compare, decimalFromWire, fromWire, subtract, toText, type Decimal, divide } from './decimal';
import { oneLine } from './text';
import { type Frame, isRecord, readRecord } from './wire';

/** Older than this in an open market, a price is shown grey and struck through. */
export const STALE_MS = 5_000;

export interface Quote {
  readonly instrument: string;
  readonly bid: string;
  readonly ask: string;
  readonly synthetic: boolean;
  readonly feed: string;
  /** When it was heard, ms since 1970 by this machine's clock. */
  readonly at: number;
  /** The market's own time, ms since 1970: where the quote stands on a chart. A recorded market has a time of its own. */
  readonly marketAt: number;
  /** Which way the middle moved against the quote before. */
  readonly move: -1 | 0 | 1;
}

export type Quotes = ReadonlyMap<string, Quote>;

export const NO_QUOTES: Quotes = new Map();

/** The quote in a `quote` frame (an envelope, or its payload alone), or null. */
export function readQuote(frame: Frame): Quote | null {
  const record = readRecord(frame.data);
  if (!record) return null;
  const payload = isRecord(record['payload']) ? record['payload'] : record;
  const age = payload['age_ms'];
  return quoteOf(payload, frame.at - (typeof age === 'number' && age > 0 ? age : 0), oneLine(record['ts'], 40));
}

/** The quote in a payload that was heard at `at`; `ts` is its market time, RFC 3339. */
export function quoteOf(payload: Record<string, unknown>, at: number, ts: string): Quote | null {
  const instrument = oneLine(payload['instrument'], 40);
  const bid = fromWire(payload['bid']);
  const ask = fromWire(payload['ask']);
  if (!instrument || bid === null || ask === null) return null;
  const marketAt = Date.parse(ts);
  return {
    instrument,
    bid,
    ask,
    synthetic: payload['synthetic'] === true,
    feed: oneLine(payload['feed'], 24),
    at,
    marketAt: Number.isFinite(marketAt) ? marketAt : at,
    move: 0,
  };
}

/**
 * The prices after some new ones. An older quote than the one that stands changes nothing, and the same quote told again (to a page that has just
 * come, or come back) is no younger for it.
 */
export function reduceQuotes(quotes: Quotes, heard: readonly Quote[]): Quotes {
  if (heard.length === 0) return quotes;
  const next = new Map(quotes);
  for (const quote of heard) {
    const before = next.get(quote.instrument);
    if (before && before.marketAt === quote.marketAt && before.bid === quote.bid && before.ask === quote.ask) {
      next.set(quote.instrument, { ...before, at: Math.min(before.at, quote.at) });
      continue;
    }
    if (before && before.at > quote.at) continue;
    next.set(quote.instrument, { ...quote, move: before ? moveOf(before, quote) : 0 });
  }
  return next;
}

function moveOf(before: Quote, now: Quote): -1 | 0 | 1 {
  const [old, fresh] = [doubleMiddle(before), doubleMiddle(now)];
  return old && fresh ? compare(fresh, old) : 0;
}

function doubleMiddle(quote: Quote): Decimal | null {
  const [bid, ask] = [decimalFromWire(quote.bid), decimalFromWire(quote.ask)];
  if (!bid || !ask) return null;
  const scale = Math.max(bid.scale, ask.scale);
  const up = (value: Decimal): bigint => value.units * 10n ** BigInt(scale - value.scale);
  return { units: up(bid) + up(ask), scale };
}

/** The middle as text with one more place than the finer side, for the chart; null when a side cannot be read. */
export function middleOf(quote: Quote): string | null {
  const sum = doubleMiddle(quote);
  return sum && toText(divide(sum, { units: 2n, scale: 0 }, sum.scale + 1));
}

/** Ask minus bid in `pip`s (or ticks), one place: `1.4`. */
export function spreadIn(quote: Quote, pip: Decimal): string {
  const [bid, ask] = [decimalFromWire(quote.bid), decimalFromWire(quote.ask)];
  return bid && ask && pip.units > 0n ? toText(divide(subtract(ask, bid), pip, 1)) : '';
}

export function isStale(quote: Quote, now: number): boolean {
  return now - quote.at > STALE_MS;
}

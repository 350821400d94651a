/**
 * How values look: prices, money, times, ages. Values stay what they are; this only spells them.
 *
 * Prices and money come in as exact text (see decimal.ts). What cannot be read is shown as `–`, never as NaN, null or undefined.
 */

import { type Decimal, fromWire, parseDecimal, rounded, toText } from './decimal';

export const NOTHING = '–';
/** A real minus sign: as wide as the plus, so that columns of signed numbers line up. */
const MINUS = '−';

/** A price with at least `decimals` places: `42500.5` → `42500.50`. Never cut: what was meant is what is shown. */
export function price(value: unknown, decimals = 0): string {
  const text = fromWire(value);
  const decimal = text === null ? null : parseDecimal(text);
  if (!decimal) return NOTHING;
  return toText(decimal.scale >= decimals ? decimal : rounded(decimal, decimals));
}

/** The mean of several prices: one digit more than they have, for the rest of a quotient says nothing. */
export function averagePrice(value: unknown, decimals = 0): string {
  const text = fromWire(value);
  const decimal = text === null ? null : parseDecimal(text);
  return decimal && decimal.scale > decimals + 1 ? toText(rounded(decimal, decimals + 1)) : price(value, decimals);
}

/** A wire number as it was written: `1.16` stays `1.16`, `100` stays `100`. */
export function plain(value: unknown): string {
  return fromWire(value) ?? NOTHING;
}

const CURRENCY_DECIMALS: ReadonlyMap<string, number> = new Map([
  ['JPY', 0],
  ['BTC', 8],
  ['ETH', 8],
]);

/** Money with thousands separators and the currency's places: `100000` → `100,000.00`. */
export function money(value: unknown, currency = 'USD'): string {
  const decimal = asDecimal(value);
  if (!decimal) return NOTHING;
  return grouped(rounded(decimal, CURRENCY_DECIMALS.get(currency) ?? 2));
}

/** Money with its sign in front, `+12.50`, `−3.00`; zero has none. */
export function signedMoney(value: unknown, currency = 'USD'): string {
  const decimal = asDecimal(value);
  if (!decimal) return NOTHING;
  const cut = rounded(decimal, CURRENCY_DECIMALS.get(currency) ?? 2);
  return cut.units > 0n ? `+${grouped(cut)}` : grouped(cut);
}

/** 1, 0 or -1 as shown: −0.004 USD is shown as 0.00 and counts as 0, so that colour and figure never disagree. */
export function signOf(value: unknown, decimals = 2): -1 | 0 | 1 {
  const decimal = asDecimal(value);
  if (!decimal) return 0;
  const { units } = rounded(decimal, decimals);
  return units > 0n ? 1 : units < 0n ? -1 : 0;
}

function asDecimal(value: unknown): Decimal | null {
  const text = fromWire(value);
  return text === null ? null : parseDecimal(text);
}

function grouped(value: Decimal): string {
  const text = toText(value);
  const negative = text.startsWith('-');
  const [whole = '', fraction] = (negative ? text.slice(1) : text).split('.');
  const spaced = whole.replace(/\B(?=(\d{3})+$)/g, ',');
  return (negative ? MINUS : '') + (fraction === undefined ? spaced : `${spaced}.${fraction}`);
}

/** Time zones a browser knows; an unknown one (a typo in stored settings) falls back to UTC. */
export function usableZone(zone: string): string {
  try {
    new Intl.DateTimeFormat('en-GB', { timeZone: zone });
    return zone;
  } catch {
    return 'UTC';
  }
}

const formats = new Map<string, Intl.DateTimeFormat>();

function format(zone: string, what: 'time' | 'date' | 'day'): Intl.DateTimeFormat {
  const key = `${what} ${zone}`;
  let found = formats.get(key);
  if (!found) {
    const options: Intl.DateTimeFormatOptions =
      what === 'time'
        ? { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' }
        : what === 'date'
          ? { year: 'numeric', month: '2-digit', day: '2-digit' }
          : { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric' };
    // Swedish dates are written year-month-day.
    found = new Intl.DateTimeFormat(what === 'date' ? 'sv-SE' : 'en-GB', { ...options, timeZone: zone });
    formats.set(key, found);
  }
  return found;
}

/** `11:55:27` of an RFC 3339 time or epoch milliseconds, in `zone`; `--:--:--` when there is no time to read. */
export function timeOfDay(when: string | number, zone: string): string {
  const ms = typeof when === 'number' ? when : Date.parse(when);
  return Number.isFinite(ms) ? format(zone, 'time').format(ms) : '--:--:--';
}

/** `Thu, 16 Oct 2025` in `zone`; empty when there is no time to read. Equal texts mean the same day. */
export function dayOf(when: string | number, zone: string): string {
  const ms = typeof when === 'number' ? when : Date.parse(when);
  return Number.isFinite(ms) ? format(zone, 'day').format(ms) : '';
}

/** `2025-10-16 11:55:27` for tables that span days. */
export function dateTime(when: string | number, zone: string): string {
  const ms = typeof when === 'number' ? when : Date.parse(when);
  return Number.isFinite(ms) ? `${format(zone, 'date').format(ms)} ${format(zone, 'time').format(ms)}` : NOTHING;
}

/** The short name of a zone for the clock: `UTC`, `GMT+2`. */
export function zoneName(zone: string, at: number): string {
  if (zone === 'UTC') return 'UTC';
  const parts = new Intl.DateTimeFormat('en-GB', { timeZone: zone, timeZoneName: 'short' }).formatToParts(at);
  return parts.find((part) => part.type === 'timeZoneName')?.value ?? zone;
}

/** How long ago, short: `0 s`, `42 s`, `3 min`, `5 h`, `2 d`. Negative ages (a stepped clock) are 0. */
export function age(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172_800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86_400)} d`;
}

/** How long until, as a countdown a reader can act on: `5:59:12`, `0:42`. */
export function countdown(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [hours, minutes, seconds] = [Math.floor(s / 3600), Math.floor(s / 60) % 60, s % 60];
  const two = (n: number): string => String(n).padStart(2, '0');
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

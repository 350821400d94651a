/**
 * Exact decimals: text in, text out, BigInt between.
 *
 * Money arrives as JSON numbers whose shortest form has the digits that were meant (at most 15 significant), so `fromWire` reads that form.
 * Nothing here rounds unless it is asked to, and nothing passes through floating point arithmetic.
 */

/** The value is `units / 10^scale`. */
export interface Decimal {
  readonly units: bigint;
  readonly scale: number;
}

const PLAIN = /^([+-]?)(\d+)(?:\.(\d*))?$|^([+-]?)\.(\d+)$/;
const EXPONENT = /^([+-]?)(\d+)(?:\.(\d+))?[eE]([+-]?\d+)$/;
/** Longer than any price or size: typed nonsense is refused before it costs anything. */
const DIGITS_MAX = 40;

/** The decimal that `text` spells, or null. Accepts `1`, `1.`, `.5`, `-1.50`; nothing else (no exponent, no separators). */
export function parseDecimal(text: string): Decimal | null {
  const match = PLAIN.exec(text.trim());
  if (!match || text.length > DIGITS_MAX) return null;
  const negative = (match[1] ?? match[4]) === '-';
  const whole = match[2] ?? '0';
  const fraction = match[3] ?? match[5] ?? '';
  const units = BigInt(whole + fraction);
  return { units: negative ? -units : units, scale: fraction.length };
}

/** A wire value (number, numeric text) as plain decimal text, exponent expanded; null for anything else. */
export function fromWire(value: unknown): string | null {
  if (typeof value === 'string') return parseDecimal(value) ? value.trim() : null;
  if (typeof value !== 'number' || !Number.isFinite(value)) return null;
  const text = String(value);
  const match = EXPONENT.exec(text);
  if (!match) return text;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  const shift = Number(exponent);
  const digits = whole + fraction;
  const point = whole.length + shift;
  if (point <= 0) return `${sign}0.${'0'.repeat(-point)}${digits}`;
  if (point >= digits.length) return `${sign}${digits}${'0'.repeat(point - digits.length)}`;
  return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** A wire value as a Decimal, or null. */
export function decimalFromWire(value: unknown): Decimal | null {
  const text = fromWire(value);
  return text === null ? null : parseDecimal(text);
}

function align(a: Decimal, b: Decimal): [bigint, bigint, number] {
  const scale = Math.max(a.scale, b.scale);
  return [a.units * 10n ** BigInt(scale - a.scale), b.units * 10n ** BigInt(scale - b.scale), scale];
}

export function compare(a: Decimal, b: Decimal): -1 | 0 | 1 {
  const [x, y] = align(a, b);
  return x < y ? -1 : x > y ? 1 : 0;
}

export function add(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = align(a, b);
  return { units: x + y, scale };
}

export function subtract(a: Decimal, b: Decimal): Decimal {
  const [x, y, scale] = align(a, b);
  return { units: x - y, scale };
}

export function multiply(a: Decimal, b: Decimal): Decimal {
  return { units: a.units * b.units, scale: a.scale + b.scale };
}

export function negate(a: Decimal): Decimal {
  return { units: -a.units, scale: a.scale };
}

export function magnitude(a: Decimal): Decimal {
  return a.units < 0n ? negate(a) : a;
}

export function isZero(a: Decimal): boolean {
  return a.units === 0n;
}

/** Whether `a` is a whole number of `step`s; step must be positive. */
export function isMultipleOf(a: Decimal, step: Decimal): boolean {
  const [x, y] = align(a, step);
  return x % y === 0n;
}

/** The nearest multiple of `step` at or below `a`, and the next one above it. Equal when `a` is a multiple. */
export function neighbours(a: Decimal, step: Decimal): [Decimal, Decimal] {
  const [x, y, scale] = align(a, step);
  const rest = ((x % y) + y) % y;
  const below = x - rest;
  return [
    { units: below, scale },
    { units: rest === 0n ? below : below + y, scale },
  ];
}

/** `a / b` with `decimals` places, rounded half to even; b must not be zero. */
export function divide(a: Decimal, b: Decimal, decimals: number): Decimal {
  const [x, y] = align(a, b);
  return { units: roundedQuotient(x * 10n ** BigInt(decimals), y), scale: decimals };
}

function roundedQuotient(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n;
  const n = numerator < 0n ? -numerator : numerator;
  const d = denominator < 0n ? -denominator : denominator;
  let quotient = n / d;
  const twice = (n % d) * 2n;
  if (twice > d || (twice === d && quotient % 2n === 1n)) quotient += 1n;
  return negative ? -quotient : quotient;
}

/** Exactly `decimals` places, rounded half to even: for the eye, never for an order. */
export function rounded(a: Decimal, decimals: number): Decimal {
  if (a.scale <= decimals) return { units: a.units * 10n ** BigInt(decimals - a.scale), scale: decimals };
  return { units: roundedQuotient(a.units, 10n ** BigInt(a.scale - decimals)), scale: decimals };
}

/** Plain text with as many places as the scale says. Zero has no sign. */
export function toText(a: Decimal): string {
  const digits = (a.units < 0n ? -a.units : a.units).toString().padStart(a.scale + 1, '0');
  const sign = a.units < 0n ? '-' : '';
  return a.scale === 0 ? sign + digits : `${sign}${digits.slice(0, -a.scale)}.${digits.slice(-a.scale)}`;
}

/** The shortest text for the same value: no trailing zeros. */
export function toShortText(a: Decimal): string {
  const text = toText(a);
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

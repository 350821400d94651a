/**
 * The order ticket: what was typed, judged by the server's rules as it is typed, and the order that would be sent.
 *
 * Prices are exact decimals. Distances, reward to risk and the checks are worked out here; money is not: what a loss would cost comes from the
 * server's preview, the same code that places the order.
 */

import {
  add,
  compare,
  type Decimal,
  divide,
  isMultipleOf,
  magnitude,
  multiply,
  neighbours,
  parseDecimal,
  subtract,
  toShortText,
  toText,
} from './decimal';
import { price } from './format';
import { type Instrument, pipOf } from './instruments';
import type { Quote } from './quotes';

export type Side = 'BUY' | 'SELL';
export type EntryType = 'limit' | 'stop' | 'market';
/** How a stop or a target is written: the price itself, or its distance from the entry. */
export type ExitUnit = 'price' | 'pips' | 'percent';

export interface TicketForm {
  readonly side: Side;
  readonly entryType: EntryType;
  readonly units: string;
  readonly entry: string;
  readonly stop: string;
  readonly target: string;
  /** How far the stop follows the market once the entry has filled; empty for a stop that stands. */
  readonly trail: string;
  readonly exitUnit: ExitUnit;
  readonly quality: string;
  readonly ttlMin: string;
}

export const EMPTY_FORM: TicketForm = {
  side: 'BUY',
  entryType: 'limit',
  units: '',
  entry: '',
  stop: '',
  target: '',
  trail: '',
  exitUnit: 'price',
  quality: '',
  ttlMin: '360',
};

export type Field = 'units' | 'entry' | 'stop' | 'target' | 'trail' | 'quality' | 'ttlMin';

/** The names that the server knows the fields by. */
export const FIELD_OF_WIRE: ReadonlyMap<string, Field> = new Map([
  ['units', 'units'],
  ['size', 'units'],
  ['entry_price', 'entry'],
  ['stop_loss_price', 'stop'],
  ['take_profit_price', 'target'],
  ['trailing_stop_distance', 'trail'],
  ['quality_score', 'quality'],
  ['ttl_min', 'ttlMin'],
]);

/** Numbers go as text: the server reads them to the last digit. */
export interface OrderBody {
  readonly instrument: string;
  readonly side: Side;
  readonly units: string;
  readonly entry_type: EntryType;
  readonly entry_price?: string;
  readonly stop_loss_price: string;
  readonly take_profit_price: string;
  readonly trailing_stop_distance?: string;
  readonly quality_score?: string;
  readonly ttl_min: string;
}

export interface Judged {
  /** What is wrong, by field; a field that is only empty is in `missing` instead, so that nobody is shouted at before typing. */
  readonly errors: ReadonlyMap<Field, string>;
  readonly missing: readonly Field[];
  /** What distances are measured from: the entry price, or for a market order the side of the quote it would get. */
  readonly entryPrice: Decimal | null;
  readonly stopPrice: Decimal | null;
  readonly targetPrice: Decimal | null;
  /** Distances from the entry in pips, one place; empty while unknown. */
  readonly riskPips: string;
  readonly rewardPips: string;
  readonly rewardToRisk: string;
  /** The order, when nothing is wrong and nothing missing. */
  readonly body: OrderBody | null;
}

// The server's bounds (trading/order_checks.py).
const TTL_MIN = parse('0.01');
const TTL_MAX = parse('43200');
const QUALITY_MAX = parse('100');
const DIGITS_MAX = 15;

function parse(text: string): Decimal {
  return parseDecimal(text) ?? { units: 0n, scale: 0 };
}

/** The form judged against `instrument` and, for a market order, the standing `quote`. */
export function judge(form: TicketForm, instrument: Instrument, quote: Quote | undefined): Judged {
  const errors = new Map<Field, string>();
  const missing: Field[] = [];
  const read = (field: Field, needed = true): Decimal | null => {
    const text = form[field].trim();
    if (text === '') {
      if (needed) missing.push(field);
      return null;
    }
    const value = parseDecimal(text);
    if (!value) errors.set(field, 'is not a number');
    else if (significantDigits(value) > DIGITS_MAX) errors.set(field, `has more than ${DIGITS_MAX} digits`);
    else return value;
    return null;
  };

  const units = read('units');
  if (units) checkUnits(units, instrument, errors);
  const isMarket = form.entryType === 'market';
  const typedEntry = isMarket ? null : read('entry');
  if (typedEntry) checkPrice('entry', typedEntry, instrument, errors);
  const entryPrice = isMarket ? quoted(form.side, quote) : errors.has('entry') ? null : typedEntry;
  const stopPrice = exitPrice('stop', read('stop'), form, entryPrice, instrument, errors);
  const targetPrice = exitPrice('target', read('target'), form, entryPrice, instrument, errors);
  const trail = trailDistance(read('trail', false), form, entryPrice, instrument, errors);
  checkSides(form.side, entryPrice, stopPrice, targetPrice, errors);
  checkRange('quality', read('quality', false), parse('0'), QUALITY_MAX, errors);
  checkRange('ttlMin', read('ttlMin'), TTL_MIN, TTL_MAX, errors);

  const pip = pipOf(instrument);
  const first = entryPrice && stopPrice && !errors.has('stop') ? magnitude(subtract(entryPrice, stopPrice)) : null;
  // From the fill on a trailing stop is no further behind than its distance.
  const risk = first && trail && !errors.has('trail') && compare(trail, first) < 0 ? trail : first;
  const reward = entryPrice && targetPrice && !errors.has('target') ? magnitude(subtract(targetPrice, entryPrice)) : null;
  const isWhole = errors.size === 0 && missing.length === 0 && units !== null && stopPrice !== null && targetPrice !== null;
  return {
    errors,
    missing,
    entryPrice,
    stopPrice,
    targetPrice,
    riskPips: risk ? toText(divide(risk, pip, 1)) : '',
    rewardPips: reward ? toText(divide(reward, pip, 1)) : '',
    rewardToRisk: risk && reward && risk.units !== 0n ? toText(divide(reward, risk, 2)) : '',
    body: isWhole ? bodyOf(form, instrument, { units, entry: typedEntry, stop: stopPrice, target: targetPrice, trail }) : null,
  };
}

interface Numbers {
  readonly units: Decimal;
  readonly entry: Decimal | null;
  readonly stop: Decimal;
  readonly target: Decimal;
  readonly trail: Decimal | null;
}

function bodyOf(form: TicketForm, instrument: Instrument, { units, entry, stop, target, trail }: Numbers): OrderBody {
  return {
    instrument: instrument.name,
    side: form.side,
    units: toShortText(units),
    entry_type: form.entryType,
    ...(entry ? { entry_price: toShortText(entry) } : {}),
    stop_loss_price: toShortText(stop),
    take_profit_price: toShortText(target),
    ...(trail ? { trailing_stop_distance: toShortText(trail) } : {}),
    ...(form.quality.trim() ? { quality_score: toShortText(parse(form.quality)) } : {}),
    ttl_min: toShortText(parse(form.ttlMin)),
  };
}

/** A buy trades at the ask, a sell at the bid. */
function quoted(side: Side, quote: Quote | undefined): Decimal | null {
  return quote ? parseDecimal(side === 'BUY' ? quote.ask : quote.bid) : null;
}

function significantDigits(value: Decimal): number {
  const digits = (value.units < 0n ? -value.units : value.units).toString().replace(/0+$/, '');
  return digits.length;
}

function checkUnits(units: Decimal, instrument: Instrument, errors: Map<Field, string>): void {
  if (units.units <= 0n) errors.set('units', 'must be above zero: the side says buy or sell');
  else if (!isMultipleOf(units, instrument.step)) errors.set('units', `must be a multiple of ${toText(instrument.step)}`);
  else if (compare(units, instrument.unitsMin) < 0) errors.set('units', `must be at least ${toShortText(instrument.unitsMin)}`);
  else if (instrument.unitsMax && compare(units, instrument.unitsMax) > 0) errors.set('units', `must be at most ${toShortText(instrument.unitsMax)}`);
}

function checkPrice(field: Field, value: Decimal, instrument: Instrument, errors: Map<Field, string>): void {
  if (value.units <= 0n) errors.set(field, 'must be above zero');
  else if (!isMultipleOf(value, instrument.tick)) {
    const [below, above] = neighbours(value, instrument.tick);
    errors.set(field, `is between two prices: ${toShortText(below)} or ${toShortText(above)}`);
  }
}

function checkRange(field: Field, value: Decimal | null, low: Decimal, high: Decimal, errors: Map<Field, string>): void {
  if (value && (compare(value, low) < 0 || compare(value, high) > 0)) errors.set(field, `must be ${toShortText(low)} to ${toShortText(high)}`);
}

/** A stop or target as a price: typed, or counted from the entry and set on the nearest tick. */
function exitPrice(
  field: 'stop' | 'target',
  typed: Decimal | null,
  form: TicketForm,
  entry: Decimal | null,
  instrument: Instrument,
  errors: Map<Field, string>,
): Decimal | null {
  if (!typed) return null;
  if (form.exitUnit === 'price') {
    checkPrice(field, typed, instrument, errors);
    return errors.has(field) ? null : typed;
  }
  if (typed.units <= 0n) {
    errors.set(field, 'must be above zero: the side says which way');
    return null;
  }
  if (!entry) return null;
  const distance = distanceOf(typed, form.exitUnit, entry, instrument);
  const isAbove = (form.side === 'BUY') === (field === 'target');
  const exact = isAbove ? add(entry, distance) : subtract(entry, distance);
  const onTick = nearestTick(exact, instrument);
  if (onTick.units > 0n) return onTick;
  errors.set(field, 'is further away than zero');
  return null;
}

/** How far a trailing stop stays behind, as a price: typed, or counted in pips or percent of the entry and set on the nearest tick. */
function trailDistance(
  typed: Decimal | null,
  form: TicketForm,
  entry: Decimal | null,
  instrument: Instrument,
  errors: Map<Field, string>,
): Decimal | null {
  if (!typed) return null;
  if (form.exitUnit === 'price') {
    checkPrice('trail', typed, instrument, errors);
    return errors.has('trail') ? null : typed;
  }
  if (!entry) return null;
  const onTick = nearestTick(distanceOf(typed, form.exitUnit, entry, instrument), instrument);
  if (onTick.units > 0n) return onTick;
  errors.set('trail', 'must be at least one tick');
  return null;
}

function distanceOf(typed: Decimal, unit: 'pips' | 'percent', entry: Decimal, instrument: Instrument): Decimal {
  return unit === 'pips' ? multiply(typed, pipOf(instrument)) : multiply(multiply(entry, typed), { units: 1n, scale: 2 });
}

function nearestTick(value: Decimal, instrument: Instrument): Decimal {
  return multiply(divide(value, instrument.tick, 0), instrument.tick);
}

function checkSides(side: Side, entry: Decimal | null, stop: Decimal | null, target: Decimal | null, errors: Map<Field, string>): void {
  const sign = side === 'BUY' ? 1 : -1;
  const [below, above] = side === 'BUY' ? ['below', 'above'] : ['above', 'below'];
  const from = entry ?? (stop && target ? null : undefined);
  if (from) {
    if (stop && compare(stop, from) * sign >= 0) errors.set('stop', `must be ${below} the entry for a ${side.toLowerCase()}`);
    if (target && compare(target, from) * sign <= 0) errors.set('target', `must be ${above} the entry for a ${side.toLowerCase()}`);
  } else if (from === null && stop && target && compare(stop, target) * sign >= 0) {
    errors.set('stop', `must be ${below} the target for a ${side.toLowerCase()}`);
  }
}

/** The whole order in one line, for the button and the question before it; prices with the instrument's `decimals`. */
export function orderWords(body: OrderBody, decimals: number): string {
  const at = body.entry_type === 'market' ? 'at market' : `${body.entry_type === 'stop' ? 'stop ' : ''}@ ${price(body.entry_price, decimals)}`;
  return `${body.side} ${body.units} ${body.instrument} ${at}`;
}

/** An id of our own for one ticket: the same id twice is one order, however often the button was hit. */
export function mintOrderId(randomBytes: Uint8Array): string {
  return `page-${[...randomBytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

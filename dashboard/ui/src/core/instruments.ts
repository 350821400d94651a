/** What can be traded, with the precision that its venue asks for. */

import { type Decimal, decimalFromWire } from './decimal';
import { type AssetClass, assetClassOf, usualDecimals } from './narrate';
import { oneLine } from './text';
import { isRecord } from './wire';

export interface Instrument {
  readonly name: string;
  readonly venue: string;
  readonly assetClass: AssetClass;
  readonly base: string;
  readonly quote: string;
  readonly tick: Decimal;
  readonly step: Decimal;
  readonly unitsMin: Decimal;
  readonly unitsMax: Decimal | null;
  readonly decimals: number;
  /** Whether its market closes for the weekend. */
  readonly calendar: string;
}

export type Instruments = ReadonlyMap<string, Instrument>;

export const NO_INSTRUMENTS: Instruments = new Map();

/** One instrument of a server's list, or null when it could not be traded by it (no name, no tick, no step). */
export function readInstrument(value: unknown): Instrument | null {
  if (!isRecord(value)) return null;
  const name = oneLine(value['name'] ?? value['instrument'], 40);
  const tick = decimalFromWire(value['tick']);
  const step = decimalFromWire(value['step']);
  if (!name || !tick || !step || tick.units <= 0n || step.units <= 0n) return null;
  const decimals = value['price_decimals'];
  const [left = name, right = ''] = name.split(/[_-]/);
  return {
    name,
    venue: oneLine(value['venue'] ?? value['broker'], 24),
    assetClass: value['asset_class'] === 'crypto' ? 'crypto' : value['asset_class'] === 'forex' ? 'forex' : assetClassOf(name),
    base: oneLine(value['base'], 12) || left,
    quote: oneLine(value['quote'], 12) || right,
    tick,
    step,
    unitsMin: decimalFromWire(value['units_min']) ?? step,
    unitsMax: decimalFromWire(value['units_max']),
    decimals: typeof decimals === 'number' && decimals >= 0 && decimals <= 12 ? Math.trunc(decimals) : usualDecimals(name),
    calendar: oneLine(value['calendar'], 16),
  };
}

/** The list of a server's answer; entries that cannot be read are left out. */
export function readInstruments(value: unknown): Instruments {
  const list = isRecord(value) ? value['instruments'] : value;
  const found = new Map<string, Instrument>();
  for (const entry of Array.isArray(list) ? list : []) {
    const instrument = readInstrument(entry);
    if (instrument) found.set(instrument.name, instrument);
  }
  return found;
}

/** A pip: the fourth decimal of a currency pair, the second of a yen pair, a whole unit of quote currency for coins. */
export function pipOf(instrument: Instrument): Decimal {
  if (instrument.assetClass === 'crypto') return { units: 1n, scale: 0 };
  return { units: 1n, scale: instrument.quote === 'JPY' ? 2 : 4 };
}

export function pipName(instrument: Instrument): string {
  return instrument.assetClass === 'crypto' ? instrument.quote : 'pips';
}

import { describe, expect, it } from 'vitest';
import {
  add,
  compare,
  divide,
  fromWire,
  isMultipleOf,
  multiply,
  neighbours,
  parseDecimal,
  rounded,
  subtract,
  toShortText,
  toText,
  type Decimal,
} from '../src/core/decimal';

const d = (text: string): Decimal => {
  const value = parseDecimal(text);
  if (!value) throw new Error(`${text} is no decimal`);
  return value;
};

describe('reading', () => {
  it.each([
    [1.16, '1.16'],
    [100, '100'],
    [0.00000001, '0.00000001'],
    [1.5e-7, '0.00000015'],
    [1e21, '1000000000000000000000'],
    [1.25e21, '1250000000000000000000'],
    [-0.001, '-0.001'],
    ['42500.50', '42500.50'],
  ])('a wire number has the digits that were meant: %s', (wire, text) => {
    expect(fromWire(wire)).toBe(text);
  });

  it.each([null, undefined, true, Number.NaN, Number.POSITIVE_INFINITY, '', '1e5', '1,000', '0x10', '--1', '1.2.3', {}, [], '9'.repeat(50)])(
    'what is no number is none: %s',
    (wire) => {
      expect(fromWire(wire)).toBeNull();
    },
  );

  it.each(['1.', '.5', '+2', ' 3 '])('a person may write %s', (text) => {
    expect(parseDecimal(text)).not.toBeNull();
  });
});

describe('reckoning', () => {
  it('is exact where floats are not', () => {
    expect(toText(add(d('0.1'), d('0.2')))).toBe('0.3');
    expect(toText(subtract(d('1.16550'), d('1.16000')))).toBe('0.00550');
    expect(toText(multiply(d('1.1'), d('1.1')))).toBe('1.21');
  });

  it('compares by value, not by spelling', () => {
    expect(compare(d('1.10'), d('1.1'))).toBe(0);
    expect(compare(d('-2'), d('1'))).toBe(-1);
    expect(compare(d('10'), d('9.99'))).toBe(1);
  });

  it('knows the grid and the neighbours of what is off it', () => {
    expect(isMultipleOf(d('1.16550'), d('0.00001'))).toBe(true);
    expect(isMultipleOf(d('1.165505'), d('0.00001'))).toBe(false);
    expect(neighbours(d('1.165505'), d('0.00001')).map(toText)).toEqual(['1.165500', '1.165510']);
    expect(neighbours(d('-0.015'), d('0.01')).map(toText)).toEqual(['-0.020', '-0.010']);
    expect(neighbours(d('3'), d('1')).map(toText)).toEqual(['3', '3']);
  });

  it('rounds half to even, and zero has no sign', () => {
    expect(toText(rounded(d('0.125'), 2))).toBe('0.12');
    expect(toText(rounded(d('0.135'), 2))).toBe('0.14');
    expect(toText(rounded(d('-0.004'), 2))).toBe('0.00');
    expect(toText(divide(d('45'), d('55'), 2))).toBe('0.82');
    expect(toText(divide(d('-1'), d('3'), 3))).toBe('-0.333');
  });

  it('keeps places, or drops what says nothing', () => {
    expect(toText(rounded(d('42500.5'), 2))).toBe('42500.50');
    expect(toShortText(d('1.16000'))).toBe('1.16');
    expect(toShortText(d('100'))).toBe('100');
    expect(toShortText(d('-0.50'))).toBe('-0.5');
  });
});

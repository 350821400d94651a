import { describe, expect, it } from 'vitest';
import { age, countdown, dateTime, dayOf, money, plain, price, signedMoney, signOf, timeOfDay, usableZone, zoneName } from '../src/core/format';

describe('prices and money', () => {
  it('a price has at least its instrument’s places and is never cut', () => {
    expect(price(1.16, 5)).toBe('1.16000');
    expect(price(42500.5, 2)).toBe('42500.50');
    expect(price(1.165505, 5)).toBe('1.165505');
  });

  it('what cannot be read is a dash, never NaN, null or undefined', () => {
    for (const value of [null, undefined, Number.NaN, 'soon', {}]) {
      expect(price(value, 5)).toBe('–');
      expect(money(value)).toBe('–');
      expect(signedMoney(value)).toBe('–');
      expect(plain(value)).toBe('–');
    }
  });

  it('money has thousands, its currency’s places, and no negative zero', () => {
    expect(money(1234567.891)).toBe('1,234,567.89');
    expect(money(999)).toBe('999.00');
    expect(money(-1000)).toBe('−1,000.00');
    expect(money(1500.7, 'JPY')).toBe('1,501');
    expect(money('0.12345678', 'BTC')).toBe('0.12345678');
    expect(signedMoney(-0.004)).toBe('0.00');
    expect(signedMoney(0.45)).toBe('+0.45');
    expect(signedMoney(-69.15)).toBe('−69.15');
  });

  it('the sign that colours a figure is the sign that it shows', () => {
    expect(signOf(-0.004)).toBe(0);
    expect(signOf(-0.006)).toBe(-1);
    expect(signOf(0.01)).toBe(1);
    expect(signOf(null)).toBe(0);
  });

  it('a currency named like a built-in is only a name', () => {
    expect(money(1, 'constructor')).toBe('1.00');
  });
});

describe('times', () => {
  const ts = '2025-10-16T23:55:27.021050Z';

  it('is the server’s time in the zone asked for', () => {
    expect(timeOfDay(ts, 'UTC')).toBe('23:55:27');
    expect(timeOfDay(ts, 'Asia/Tokyo')).toBe('08:55:27');
    expect(dayOf(ts, 'UTC')).toBe('Thu, 16 Oct 2025');
    expect(dayOf(ts, 'Asia/Tokyo')).toBe('Fri, 17 Oct 2025');
    expect(dateTime(ts, 'UTC')).toBe('2025-10-16 23:55:27');
  });

  it('midnight is 00, and no time is no time', () => {
    expect(timeOfDay('2025-10-16T00:00:05Z', 'UTC')).toBe('00:00:05');
    expect(timeOfDay('tomorrow', 'UTC')).toBe('--:--:--');
    expect(dayOf('', 'UTC')).toBe('');
    expect(dateTime('x', 'UTC')).toBe('–');
  });

  it('an unknown zone is UTC, and a known one has a short name', () => {
    expect(usableZone('Mars/Olympus')).toBe('UTC');
    expect(usableZone('Europe/Berlin')).toBe('Europe/Berlin');
    expect(zoneName('UTC', 0)).toBe('UTC');
    expect(zoneName('Asia/Tokyo', 0)).toBe('GMT+9');
  });

  it('ages and countdowns are short and never negative', () => {
    expect([0, 42_900, 119_000, 180_000, 7_200_000, 200_000_000].map(age)).toEqual(['0 s', '42 s', '119 s', '3 min', '2 h', '2 d']);
    expect(age(-5)).toBe('0 s');
    expect(countdown(21_552_000)).toBe('5:59:12');
    expect(countdown(42_000)).toBe('0:42');
    expect(countdown(-1)).toBe('0:00');
  });
});

import { describe, expect, it } from 'vitest';
import { toText } from '../src/core/decimal';
import { readInstrument } from '../src/core/instruments';
import type { Quote } from '../src/core/quotes';
import { EMPTY_FORM, judge, mintOrderId, orderWords, type TicketForm } from '../src/core/ticket';

const EURO = readInstrument({ name: 'EUR_USD', venue: 'oanda', tick: 0.00001, step: 1, units_min: 1, units_max: 1000000, price_decimals: 5 })!;
const COIN = readInstrument({
  name: 'BTC-USD',
  venue: 'coinbase',
  tick: 0.01,
  step: 0.00000001,
  units_min: 0.00001,
  units_max: 1000,
  price_decimals: 2,
})!;
const QUOTE: Quote = { instrument: 'EUR_USD', bid: '1.16702', ask: '1.16714', synthetic: false, feed: '', at: 0, marketAt: 0, move: 0 };

const WHOLE: TicketForm = { ...EMPTY_FORM, units: '100', entry: '1.1655', stop: '1.16', target: '1.17', quality: '75' };

const judged = (part: Partial<TicketForm>, instrument = EURO): ReturnType<typeof judge> => judge({ ...WHOLE, ...part }, instrument, QUOTE);
const faults = (part: Partial<TicketForm>, instrument = EURO): Record<string, string> => Object.fromEntries(judged(part, instrument).errors);

describe('a whole order', () => {
  it('is the seed’s, number for number', () => {
    expect(judged({}).body).toEqual({
      instrument: 'EUR_USD',
      side: 'BUY',
      units: '100',
      entry_type: 'limit',
      entry_price: '1.1655',
      stop_loss_price: '1.16',
      take_profit_price: '1.17',
      quality_score: '75',
      ttl_min: '360',
    });
  });

  it('says itself in one line, prices with their places', () => {
    expect(orderWords(judged({}).body!, 5)).toBe('BUY 100 EUR_USD @ 1.16550');
    expect(orderWords(judged({ entryType: 'market', entry: '' }).body!, 5)).toBe('BUY 100 EUR_USD at market');
    expect(orderWords(judged({ entryType: 'stop', entry: '1.168' }).body!, 5)).toBe('BUY 100 EUR_USD stop @ 1.16800');
  });

  it('reckons distances in pips and reward to risk, exactly', () => {
    expect(judged({})).toMatchObject({ riskPips: '55.0', rewardPips: '45.0', rewardToRisk: '0.82' });
    expect(judged({ units: '0.001', entry: '42500.5', stop: '42000', target: '43500' }, COIN)).toMatchObject({
      riskPips: '500.5',
      rewardPips: '999.5',
      rewardToRisk: '2.00',
    });
  });

  it('at the market it has no price and is measured from the side it would get', () => {
    const one = judged({ entryType: 'market', entry: 'ignored' });
    expect(one.body).not.toHaveProperty('entry_price');
    expect(toText(one.entryPrice!)).toBe('1.16714');
    expect(judge({ ...WHOLE, entryType: 'market', side: 'SELL', stop: '1.17', target: '1.16' }, EURO, QUOTE).entryPrice).toEqual({
      units: 116702n,
      scale: 5,
    });
  });
});

describe('what is only missing is asked for, not complained of', () => {
  it('an empty form', () => {
    const one = judge(EMPTY_FORM, EURO, QUOTE);
    expect(one.errors.size).toBe(0);
    expect(one.missing).toEqual(['units', 'entry', 'stop', 'target']);
    expect(one.body).toBeNull();
  });

  it('quality may be left out', () => {
    expect(judged({ quality: '' }).body).not.toHaveProperty('quality_score');
  });
});

describe('the server’s refusals, before they are made', () => {
  it.each<[string, Partial<TicketForm>, string, string]>([
    ['zero units', { units: '0' }, 'units', 'must be above zero: the side says buy or sell'],
    ['negative units', { units: '-5' }, 'units', 'must be above zero: the side says buy or sell'],
    ['units off the step', { units: '1.5' }, 'units', 'must be a multiple of 1'],
    ['too many units', { units: '1000001' }, 'units', 'must be at most 1000000'],
    ['words', { units: 'many' }, 'units', 'is not a number'],
    ['an exponent', { entry: '1e5' }, 'entry', 'is not a number'],
    ['sixteen digits', { entry: '1.165512345678901' }, 'entry', 'has more than 15 digits'],
    ['a price between two', { entry: '1.165505' }, 'entry', 'is between two prices: 1.1655 or 1.16551'],
    ['a stop above a buy', { stop: '1.1656' }, 'stop', 'must be below the entry for a buy'],
    ['a stop at the entry', { stop: '1.1655' }, 'stop', 'must be below the entry for a buy'],
    ['a target below a buy', { target: '1.165' }, 'target', 'must be above the entry for a buy'],
    ['a quality over 100', { quality: '101' }, 'quality', 'must be 0 to 100'],
    ['no time to live', { ttlMin: '0' }, 'ttlMin', 'must be 0.01 to 43200'],
  ])('%s', (_name, part, field, words) => {
    expect(faults(part)[field]).toBe(words);
    expect(judged(part).body).toBeNull();
  });

  it('a sell is the other way round', () => {
    expect(faults({ side: 'SELL', stop: '1.17', target: '1.16' })).toEqual({});
    expect(faults({ side: 'SELL' })).toEqual({ stop: 'must be above the entry for a sell', target: 'must be below the entry for a sell' });
  });

  it('without an entry yet, stop and target are held against each other', () => {
    expect(faults({ entry: '', stop: '1.18' })).toEqual({ stop: 'must be below the target for a buy' });
  });

  it('a coin has its own grid and least size', () => {
    expect(faults({ units: '0.000001', entry: '42500', stop: '42000', target: '43000' }, COIN)).toEqual({ units: 'must be at least 0.00001' });
  });
});

describe('exits as a distance', () => {
  const at = (part: Partial<TicketForm>): string[] => {
    const one = judged(part);
    return [one.stopPrice, one.targetPrice].map((value) => (value ? toText(value) : ''));
  };

  it('pips go the right way from the entry', () => {
    expect(at({ exitUnit: 'pips', stop: '55', target: '45' })).toEqual(['1.16000', '1.17000']);
    expect(at({ exitUnit: 'pips', side: 'SELL', stop: '55', target: '45' })).toEqual(['1.17100', '1.16100']);
  });

  it('percent is set on the nearest tick, and that is what is sent', () => {
    expect(at({ exitUnit: 'percent', stop: '0.5', target: '1' })).toEqual(['1.15967', '1.17716']);
    expect(judged({ exitUnit: 'percent', stop: '0.5', target: '1' }).body).toMatchObject({
      stop_loss_price: '1.15967',
      take_profit_price: '1.17716',
    });
  });

  it('a distance waits for an entry, is positive, and does not reach below zero', () => {
    expect(at({ exitUnit: 'pips', entry: '', stop: '55', target: '45' })).toEqual(['', '']);
    expect(faults({ exitUnit: 'pips', stop: '-5', target: '45' })).toHaveProperty('stop');
    expect(faults({ exitUnit: 'percent', stop: '100', target: '1' })['stop']).toBe('is further away than zero');
  });
});

describe('a trailing stop', () => {
  it('is reckoned by its distance, or by the stop where that is nearer', () => {
    expect(judged({}).riskPips).toBe('55.0');
    expect(judged({ trail: '0.002' })).toMatchObject({ riskPips: '20.0', rewardToRisk: '2.25' });
    expect(judged({ trail: '0.01' }).riskPips).toBe('55.0');
  });

  it('is left out unless it is typed', () => {
    expect(judged({}).body).not.toHaveProperty('trailing_stop_distance');
    expect(judged({ trail: '0.002' }).body?.trailing_stop_distance).toBe('0.002');
  });

  it('is written as stop and target are, and set on the nearest tick', () => {
    expect(judged({ exitUnit: 'pips', stop: '55', target: '45', trail: '20' }).body?.trailing_stop_distance).toBe('0.002');
    expect(judged({ exitUnit: 'percent', stop: '1', target: '1', trail: '0.1' }).body?.trailing_stop_distance).toBe('0.00117');
  });

  it('is a distance on the grid, above zero', () => {
    expect(faults({ trail: '-0.002' })).toEqual({ trail: 'must be above zero' });
    expect(faults({ trail: '0.0000151' })).toEqual({ trail: 'is between two prices: 0.00001 or 0.00002' });
    expect(faults({ exitUnit: 'pips', stop: '55', target: '45', trail: '0.01' })).toEqual({ trail: 'must be at least one tick' });
  });
});

it('an order id has the form that the server takes', () => {
  expect(mintOrderId(new Uint8Array([0, 255, 16]))).toBe('page-00ff10');
  expect(mintOrderId(crypto.getRandomValues(new Uint8Array(12)))).toMatch(/^[A-Za-z0-9_-]{1,48}$/);
});

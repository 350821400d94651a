// @vitest-environment happy-dom
import { describe, expect, it } from 'vitest';
import { chartLines, LABELLED_MAX } from '../src/app/chart-data';
import { selectedInstrument } from '../src/app/settings';
import { dispatch } from '../src/app/store';
import { EMPTY_DESK, newestFirst, type Position, readFill, readOrder, readPosition, reduceDesk } from '../src/core/desk';
import { averagePrice } from '../src/core/format';

const position = (broker: string, instrument: string): Position =>
  readPosition({ instrument, side: 'BUY', units: 100, average_price: 1.1, open_pnl: 2 }, broker) as Position;
const part = (list: readonly Position[], unavailable: string[] = []) =>
  ({ kind: 'part', name: 'positions', part: { fetched: 'ok', at: 1, list, unavailable } }) as const;

describe('a broker that does not answer', () => {
  const both = reduceDesk(EMPTY_DESK, part([position('oanda', 'EUR_USD'), position('coinbase', 'BTC-USD')]));

  it('keeps its positions on the screen, as old ones', () => {
    const half = reduceDesk(both, part([position('coinbase', 'BTC-USD')], ['oanda']));
    expect(half.positions.list.map(({ instrument, isStale }) => [instrument, isStale])).toEqual([
      ['EUR_USD', true],
      ['BTC-USD', false],
    ]);
    const again = reduceDesk(half, part([position('coinbase', 'BTC-USD')], ['oanda']));
    expect(again.positions.list).toEqual(half.positions.list);
    const back = reduceDesk(again, part([position('oanda', 'GBP_USD'), position('coinbase', 'BTC-USD')]));
    expect(back.positions.list.map(({ instrument, isStale }) => [instrument, isStale])).toEqual([
      ['GBP_USD', false],
      ['BTC-USD', false],
    ]);
  });

  it('that was never heard has nothing to keep', () => {
    expect(reduceDesk(EMPTY_DESK, part([], ['oanda'])).positions.list).toEqual([]);
  });

  it('what another one closed is gone', () => {
    expect(reduceDesk(both, part([], ['oanda'])).positions.list.map(({ broker }) => broker)).toEqual(['oanda']);
  });
});

it('fills of several brokers stand in the order of their times', () => {
  const fills = ['12:00:01', '12:00:03', '12:00:02'].map((time, i) => readFill({ fill_id: String(i), filled_at: `2026-11-23T${time}.000000Z` }));
  expect(newestFirst(fills.filter((one) => one !== null)).map(({ fillId }) => fillId)).toEqual(['1', '2', '0']);
});

it('a mean price has one digit more than its prices, and no tail', () => {
  expect(averagePrice(152.0226396, 3)).toBe('152.0226');
  expect(averagePrice(1.16691, 5)).toBe('1.16691');
  expect(averagePrice(42500.5, 2)).toBe('42500.50');
  expect(averagePrice(null, 2)).toBe('–');
});

it('of many brackets the newest are labelled, and every one is drawn', () => {
  selectedInstrument.value = 'EUR_USD';
  const orders = Array.from({ length: 40 }, (_, n) =>
    readOrder({
      order_id: `paper-oanda-${n}`,
      broker: 'oanda',
      status: 'PENDING',
      instrument: 'EUR_USD',
      side: 'BUY',
      units: 1,
      entry_price: 1.16,
      stop_loss_price: 1.15,
      take_profit_price: 1.17,
      placed_at: `2026-11-23T12:00:${String(n).padStart(2, '0')}.000000Z`,
    }),
  ).filter((one) => one !== null);
  dispatch({ kind: 'part', name: 'orders', part: { fetched: 'ok', at: 1, list: orders, unavailable: [] } });
  const lines = chartLines.value.filter(({ kind }) => kind !== 'bid' && kind !== 'ask');
  expect(lines.length).toBe(120);
  const labelled = new Set(lines.filter(({ isLabelled }) => isLabelled).map(({ key }) => key.split(' ')[0]));
  expect([...labelled]).toEqual(Array.from({ length: LABELLED_MAX }, (_, n) => `paper-oanda-${39 - n}`));
});

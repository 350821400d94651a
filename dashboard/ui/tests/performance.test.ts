import { describe, expect, it } from 'vitest';
import { alertsOf } from '../src/core/alerts';
import { EMPTY_FEED, FeedDraft } from '../src/core/feed';
import { filterToExport, NO_FILTER } from '../src/core/filter';
import { dayBase, readEquity, readPerformance, toCsv } from '../src/core/performance';
import { event, PLACED } from './help';

describe('the server’s figures', () => {
  const figures = { trades: 3, wins: 2, losses: 1, net_pnl: 0.2, fees: 0, best: 0.2, worst: -0.1, win_rate: 0.6667, expectancy_r: null, streak: -1 };

  it('are kept as exact text, and what is not there is none', () => {
    const read = readPerformance({
      ok: true,
      performance: { ...figures, currency: 'USD', by_instrument: [{ ...figures, name: 'EUR_USD' }], by_hour: 'x' },
    })!;
    expect(read.total).toMatchObject({ trades: 3, net: '0.2', worst: '-0.1', winRate: '0.6667', expectancyR: null, profitFactor: null, streak: -1 });
    expect(read.groups.get('instrument')?.map(({ name }) => name)).toEqual(['EUR_USD']);
    expect(read.groups.get('hour')).toEqual([]);
  });

  it('of no answer are none', () => {
    expect(readPerformance(null)).toBeNull();
    expect(readPerformance({ performance: [] })).toBeNull();
    expect(readPerformance({ performance: {} })?.total.trades).toBe(0);
  });
});

const at = (minute: number, equity: unknown, open_pnl?: number): object => ({
  at: `2025-10-16T11:${String(minute).padStart(2, '0')}:00Z`,
  equity,
  open_pnl,
});

describe('the equity curve', () => {
  it('comes newest first and is drawn oldest first, each second once', () => {
    const points = readEquity({ equity: [at(3, 90), at(2, 110), at(2, 105), at(1, 100), at(0, null), null, { at: 'x', equity: 1 }] });
    expect(points.map(({ equity }) => equity)).toEqual(['100', '110', '90']);
    expect(readEquity(null)).toEqual([]);
  });
});

describe('today', () => {
  const points = readEquity({ equity: [at(3, 90, 5), at(2, 110, 0), at(1, 99, -1)] });

  it('counts from the last point before it began', () => {
    expect(dayBase(points, ({ time }) => time < points[2]!.time)).toBe('110');
  });

  it('counts from the beginning of an account that began today', () => {
    expect(dayBase(points, () => false)).toBe('100');
    expect(dayBase(readEquity({ equity: [at(1, 99)] }), () => false)).toBeNull();
    expect(dayBase([], () => false)).toBeNull();
  });
});

describe('tables to take home', () => {
  it('text that a spreadsheet would run is text; numbers stay numbers', () => {
    expect(toCsv(['a'], [['=1+1'], ['-3.5'], ['+x'], ['@x'], ['plain'], ['a,"b"\n']])).toBe(
      'a\r\n\'=1+1\r\n-3.5\r\n\'+x\r\n\'@x\r\nplain\r\n"a,""b""\n"\r\n',
    );
  });

  it('the filter goes along to the server', () => {
    expect(filterToExport(NO_FILTER).toString()).toBe('');
    const query = filterToExport({
      text: 'x',
      source: 'oanda',
      instrument: 'EUR_USD',
      hidden: new Set(['rick', 'heartbeats', 'desk', 'placed', 'cancels', 'closes']),
    });
    expect(Object.fromEntries(query)).toEqual({ types: 'order_filled,order_partially_filled', sources: 'oanda', instruments: 'EUR_USD', text: 'x' });
    expect(filterToExport({ ...NO_FILTER, hidden: new Set(['rick']) }).get('types')).toContain('protection_lost');
  });
});

describe('alerts', () => {
  it('one of each kind, the newest; the cancel of a sibling leg is no news', () => {
    const draft = new FeedDraft(EMPTY_FEED);
    draft.event(event('order_filled', { ...PLACED, price: 1 }, { seq: 1 }), 0);
    draft.event(event('order_filled', { ...PLACED, price: 2 }, { seq: 2 }), 0);
    draft.event(event('order_cancelled', { ...PLACED, reason: 'oco_sibling' }, { seq: 3 }), 0);
    draft.event(event('oco_placed', PLACED, { seq: 4 }), 0);
    const found = alertsOf(draft.finish().lines);
    expect([...found.keys()]).toEqual(['fill']);
    expect(found.get('fill')?.event?.seq).toBe(2);
  });
});

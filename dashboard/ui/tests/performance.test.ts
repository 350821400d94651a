import { describe, expect, it } from 'vitest';
import { alertsOf } from '../src/core/alerts';
import { readTrade, type Trade } from '../src/core/desk';
import { EMPTY_FEED, FeedDraft } from '../src/core/feed';
import { filterToExport, NO_FILTER } from '../src/core/filter';
import { groupBy, maxDrawdown, qualityBucket, readEquity, summarize, toCsv } from '../src/core/performance';
import { event, PLACED } from './help';

const trade = (net: number, more: object = {}): Trade =>
  readTrade({ order_id: 'paper-oanda-1', instrument: 'EUR_USD', net_pnl: net, r_multiple: net / 10, quality_score: 75, close_reason: 'MANUAL', ...more })!;

describe('sums over closed trades', () => {
  it('are exact', () => {
    expect(summarize([trade(0.1), trade(0.2), trade(-0.1)])).toEqual({
      count: 3, wins: 2, losses: 1, net: '0.2', winRate: '67', averageR: '0.01', profitFactor: '3.00', best: '0.2', worst: '-0.1',
    });
  });

  it('of nothing are nothing, and without a loss there is no factor', () => {
    expect(summarize([])).toMatchObject({ count: 0, net: '0', winRate: '', averageR: '', profitFactor: '', best: '', worst: '' });
    expect(summarize([trade(1)]).profitFactor).toBe('');
    expect(summarize([trade(0)])).toMatchObject({ wins: 0, losses: 0 });
  });

  it('go by any name', () => {
    const groups = groupBy([trade(1), trade(-3, { instrument: 'BTC-USD' }), trade(2)], (one) => one.instrument);
    expect(groups.map(({ name, count, net }) => [name, count, net])).toEqual([
      ['BTC-USD', 1, '-3'],
      ['EUR_USD', 2, '3'],
    ]);
    expect([0, 19, 20, 79.6, 80, 100, null].map((quality_score) => qualityBucket(trade(1, { quality_score })))).toEqual(['00–19', '00–19', '20–39', '80–100', '80–100', '80–100', 'none']);
  });
});

describe('the equity curve', () => {
  const at = (minute: number, equity: unknown): object => ({ at: `2025-10-16T11:${String(minute).padStart(2, '0')}:00Z`, equity });

  it('comes newest first and is drawn oldest first, each second once', () => {
    const points = readEquity({ equity: [at(3, 90), at(2, 110), at(2, 105), at(1, 100), at(0, null), null, { at: 'x', equity: 1 }] });
    expect(points.map(({ equity }) => equity)).toEqual(['100', '110', '90']);
    expect(readEquity(null)).toEqual([]);
  });

  it('knows its deepest fall from a high', () => {
    const points = [100, 120, 90, 130, 110].map((equity, i) => ({ time: i, equity: String(equity) }));
    expect(maxDrawdown(points)).toEqual({ money: '30', percent: '25.00' });
    expect(maxDrawdown([])).toEqual({ money: '0', percent: '0.00' });
  });
});

describe('tables to take home', () => {
  it('text that a spreadsheet would run is text; numbers stay numbers', () => {
    expect(toCsv(['a'], [['=1+1'], ['-3.5'], ['+x'], ['@x'], ['plain'], ['a,"b"\n']])).toBe('a\r\n\'=1+1\r\n-3.5\r\n\'+x\r\n\'@x\r\nplain\r\n"a,""b""\n"\r\n');
  });

  it('the filter goes along to the server', () => {
    expect(filterToExport(NO_FILTER).toString()).toBe('');
    const query = filterToExport({ text: 'x', source: 'oanda', instrument: 'EUR_USD', hidden: new Set(['rick', 'heartbeats', 'desk', 'placed', 'cancels', 'closes']) });
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

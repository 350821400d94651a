import { describe, expect, it } from 'vitest';
import { EMPTY_FEED, type Feed, FeedDraft, HEARTBEATS_MAX, LINES_MAX, retell, wordsOf } from '../src/core/feed';
import { filterFromQuery, filterToQuery, isFiltering, isShown, NO_FILTER } from '../src/core/filter';
import type { ArenaEvent } from '../src/core/wire';
import { EPOCH, event, PLACED } from './help';

const AT = 1_760_000_000_000;

function told(feed: Feed, ...events: ArenaEvent[]): Feed {
  const draft = new FeedDraft(feed);
  for (const one of events) draft.event(one, AT);
  return draft.finish();
}

const placed = (seq: number, more: Partial<ArenaEvent> = {}): ArenaEvent => event('oco_placed', PLACED, { seq, ...more });

describe('order and repetition', () => {
  it('an event told twice stands once', () => {
    const feed = told(told(EMPTY_FEED, placed(1), placed(2)), placed(2), placed(1));
    expect(feed.lines).toHaveLength(2);
  });

  it('nothing new leaves the feed as it was, the same object', () => {
    const feed = told(EMPTY_FEED, placed(1));
    expect(told(feed, placed(1))).toBe(feed);
  });

  it('a new epoch starts over', () => {
    const feed = told(EMPTY_FEED, placed(7), placed(1, { epoch: 'bbbbbbbbbbbbbbbb' }));
    expect(feed.lines.map((line) => line.type)).toEqual(['oco_placed', 'oco_placed']);
  });

  it('sources do not stand in each other’s way', () => {
    const feed = told(EMPTY_FEED, placed(5), placed(1, { source: 'coinbase' }), placed(6));
    expect(feed.lines).toHaveLength(3);
  });
});

describe('what is missing is said', () => {
  it('a hole that nobody announced becomes a row of its own', () => {
    const feed = told(EMPTY_FEED, placed(3), placed(6));
    expect(feed.lines.map((line) => line.kind)).toEqual(['event', 'notice', 'event']);
    expect(wordsOf(feed.lines[1]!)).toBe('Gap events 4 to 5 of oanda could not be given | 2 missing');
  });

  it('a hole that was announced is not told again', () => {
    const draft = new FeedDraft(told(EMPTY_FEED, placed(3)));
    draft.gap({ source: 'oanda', from: 4, to: 9 }, AT);
    draft.event(placed(10), AT);
    const { lines } = draft.finish();
    expect(lines.map((line) => line.type)).toEqual(['oco_placed', 'gap', 'oco_placed']);
  });

  it('resets, reconnects and unreadable messages have rows', () => {
    const draft = new FeedDraft(EMPTY_FEED);
    draft.reset({ source: 'oanda', reason: 'epoch' }, AT);
    draft.reset({ source: '*', reason: 'malformed' }, AT);
    draft.recovered(12, 14_000, AT);
    draft.unreadable(1, AT);
    expect(draft.finish().lines.map(wordsOf)).toEqual([
      'Reset the history of oanda begins anew | epoch',
      'Reset this page’s place in the stream could not be used | malformed',
      'Reconnected after 14 s: caught up, 12 missed',
      'Unreadable one message could not be read',
    ]);
  });

  it('after a reset of everything, what was told is not told twice', () => {
    const draft = new FeedDraft(told(EMPTY_FEED, placed(1), placed(2)));
    draft.reset({ source: '*', reason: 'malformed' }, AT);
    expect(draft.event(placed(2), AT)).toBe(false);
    expect(draft.event(placed(3), AT)).toBe(true);
  });
});

describe('size', () => {
  it('the newest five hundred stay, and each line keeps its own place for ever', () => {
    const feed = told(EMPTY_FEED, ...Array.from({ length: LINES_MAX + 30 }, (_, i) => placed(i + 1)));
    expect(feed.lines).toHaveLength(LINES_MAX);
    expect(feed.lines[0]?.event?.seq).toBe(31);
    expect(new Set(feed.lines.map((line) => line.order)).size).toBe(LINES_MAX);
  });

  it('a night of heartbeats pushes no order out', () => {
    const beat = event('heartbeat', { programs: { oanda: { status: 'ok' } } }, { source: 'arena', epoch: null, seq: null });
    const feed = told(told(EMPTY_FEED, placed(1)), ...Array.from({ length: 2000 }, () => beat));
    expect(feed.lines).toHaveLength(1);
    expect(feed.heartbeats).toHaveLength(HEARTBEATS_MAX);
  });
});

describe('words', () => {
  it('are told anew when the instruments’ places become known', () => {
    const feed = told(EMPTY_FEED, event('order_filled', { ...PLACED, price: 1.1655 }));
    expect(wordsOf(retell(feed, () => 7).lines[0]!)).toBe('Order Filled EUR_USD 100 @ 1.1655000');
  });
});

describe('the filter', () => {
  const feed = told(
    EMPTY_FEED,
    placed(1),
    event('order_filled', { ...PLACED, instrument: 'GBP_USD', price: 1.3 }, { seq: 2 }),
    event('narration', { text: 'Dry words.', about: { order_id: 'paper-oanda-3' } }, { source: 'rick' }),
    placed(5),
  );
  const shown = (part: Partial<typeof NO_FILTER>): string[] =>
    feed.lines.filter((line) => isShown(line, { ...NO_FILTER, ...part })).map((line) => line.type);

  it('hides by kind, source, instrument and words', () => {
    expect(shown({ hidden: new Set(['placed']) })).toEqual(['order_filled', 'narration', 'gap']);
    expect(shown({ source: 'rick' })).toEqual(['narration', 'gap']);
    expect(shown({ instrument: 'GBP_USD' })).toEqual(['order_filled', 'gap']);
    expect(shown({ text: 'dry' })).toEqual(['narration', 'gap']);
    expect(shown({ text: 'PAPER-OANDA-3' })).toEqual(['oco_placed', 'order_filled', 'narration', 'gap', 'oco_placed']);
  });

  it('never hides that something is missing', () => {
    expect(shown({ text: 'no such words', source: 'nobody' })).toEqual(['gap']);
  });

  it('goes into the address and comes back', () => {
    const filter = { text: 'a&b=c', source: 'oanda', instrument: 'EUR_USD', hidden: new Set(['fills', 'rick'] as const) };
    expect(filterFromQuery(filterToQuery(filter))).toEqual(filter);
    expect(filterToQuery(NO_FILTER)).toBe('');
    expect(filterFromQuery('')).toEqual(NO_FILTER);
    expect(filterFromQuery(filterToQuery({ ...NO_FILTER, hidden: new Set() })).hidden.size).toBe(0);
    expect(filterFromQuery(`?hide=nonsense,rick&q=${'x'.repeat(500)}`)).toMatchObject({ hidden: new Set(['rick']), text: 'x'.repeat(100) });
  });

  it('knows whether it filters: heartbeats alone do not count', () => {
    expect(isFiltering(NO_FILTER)).toBe(false);
    expect(isFiltering({ ...NO_FILTER, hidden: new Set() })).toBe(false);
    expect(isFiltering({ ...NO_FILTER, text: 'x' })).toBe(true);
  });

  it('keeps an order’s story in the timeline of its source', () => {
    expect(feed.lines.at(-1)?.event?.epoch).toBe(EPOCH);
  });
});

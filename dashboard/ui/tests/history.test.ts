// @vitest-environment happy-dom

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { fault, isMore, keepHistoryInStep, showEarlier, showLater, showUpTo } from '../src/app/feed-history';
import { change, earlier, filter, isPaused, resume, shownLines } from '../src/app/feed-view';
import { dispatch } from '../src/app/store';
import { NO_FILTER } from '../src/core/filter';
import { beginningOf, reaches, readHistory } from '../src/core/history';
import { EMPTY_FEED, FeedDraft } from '../src/core/feed';
import { usualDecimals } from '../src/core/narrate';
import { EPOCH, event, frame } from './help';

/** A journal of cancels of one source, 1 to `count`; every tenth is of GBP_USD. */
const envelope = (seq: number): object => ({
  id: `coinbase@${EPOCH}:3,oanda@${EPOCH}:${seq}`,
  source: 'oanda',
  type: 'order_cancelled',
  payload: { order_id: `paper-oanda-${seq}`, instrument: seq % 10 ? 'EUR_USD' : 'GBP_USD' },
  ts: new Date(1_760_000_000_000 + seq * 1000).toISOString(),
  epoch: EPOCH,
  seq,
});
const cursor = (seq: number): string => `coinbase@${EPOCH}:3,oanda@${EPOCH}:${seq}`;

let asked: string[] = [];
let count = 0;
let down = false;

/** As the gateway pages them. */
function answer(path: string): object {
  const { searchParams } = new URL(path, 'http://arena');
  const limit = Number(searchParams.get('limit'));
  const place = (name: string): number => Number(/oanda@[0-9a-f]+:(\d+)/.exec(searchParams.get(name) ?? '')?.[1]);
  const [first, last] = searchParams.has('before')
    ? [Math.max(1, place('before') - limit + 1), place('before')]
    : [place('after') + 1, Math.min(count, place('after') + limit)];
  const events = Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => envelope(first + i));
  const [next, complete] = searchParams.has('before') ? [first - 1, first === 1] : [last, last === count];
  const sources = { oanda: { epoch: EPOCH, first_seq: 1, last_seq: count } };
  return { ok: true, events, next: cursor(next), complete, notices: [], sources, unavailable: [] };
}

/** Tell the page the newest of `count` events, at most 500. */
function tellNewest(): void {
  const frames = Array.from({ length: Math.min(500, count) }, (_, i) => frame('', envelope(count - Math.min(500, count) + 1 + i), { id: '' }));
  dispatch({ kind: 'frames', frames: frames.map((one) => ({ ...one, id: (JSON.parse(one.data) as { id: string }).id })) });
}

const shown = (): string[] => shownLines.value.map(({ orderId }) => orderId.replace('paper-oanda-', ''));

beforeEach(() => {
  asked = [];
  down = false;
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path);
    return down ? Promise.reject(new TypeError('no line')) : Promise.resolve(Response.json(answer(path)));
  });
});

afterEach(() => {
  resume();
  filter.value = NO_FILTER;
  vi.unstubAllGlobals();
});

describe('back through the feed', () => {
  keepHistoryInStep();
  count = 1300;
  tellNewest();

  it('goes page by page to the beginning and forward into the feed, each line once', async () => {
    expect(isMore.value).toBe(true);
    const told: string[][] = [];
    for (let page = 0; page < 10 && isMore.value; page += 1) {
      await showEarlier();
      told.unshift(shown());
    }
    expect(told.map(({ length }) => length)).toEqual([50, 250, 250, 250]);
    expect(told.flat()).toEqual(Array.from({ length: 800 }, (_, i) => String(i + 1)));
    expect(isPaused.value).toBe(true);
    expect(earlier.value?.isBeginning).toBe(true);
    const back: string[] = [];
    for (let page = 0; page < 10 && earlier.value; page += 1) {
      await showLater();
      if (earlier.value) back.push(...shown());
    }
    expect(back).toEqual(Array.from({ length: back.length }, (_, i) => String(i + 51)));
    expect(shown()[0]).toBe('801');
    expect(Number(back.at(-1))).toBeGreaterThanOrEqual(550);
  });

  it('keeps one page, however many were read', async () => {
    for (let page = 0; page < 3; page += 1) {
      await showEarlier();
      expect(shownLines.value.length).toBe(250);
    }
  });

  it('holds the feed meanwhile, and resuming shows all of it', async () => {
    await showEarlier();
    const before = shown();
    count += 1;
    dispatch({ kind: 'frames', frames: [frame('', envelope(count), { id: cursor(count) })] });
    expect(shown()).toEqual(before);
    resume();
    expect(shown().at(-1)).toBe(String(count));
    expect(earlier.value).toBeNull();
  });

  it('with a filter looks through as many events as it takes', async () => {
    change({ instrument: 'GBP_USD' });
    await showEarlier();
    expect(shown()).toEqual(Array.from({ length: shown().length }, (_, i) => String((i + 1) * 10)));
    expect(asked.length).toBeGreaterThan(2);
    expect(isMore.value).toBe(false);
  });

  it('asks for its page anew when the filter changes', async () => {
    await showEarlier();
    const { end } = earlier.value ?? {};
    change({ instrument: 'GBP_USD' });
    await vi.waitFor(() => expect(shown()[0]).toBe('10'));
    expect(earlier.value?.end).toBe(end);
  });

  it('leaves the feed as it was when nobody answers, and says so', async () => {
    down = true;
    await showEarlier();
    expect([earlier.value, isPaused.value]).toEqual([null, false]);
    expect(fault.value).not.toBe('');
    down = false;
    await showEarlier();
    expect(fault.value).toBe('');
    const before = shown();
    down = true;
    await showEarlier();
    expect(shown()).toEqual(before);
    expect(fault.value).not.toBe('');
  });

  it('a reader who goes on before the answer stays in the feed', async () => {
    const asking = showEarlier();
    resume();
    await asking;
    expect([earlier.value, isPaused.value]).toEqual([null, false]);
  });

  it('shows the page that ends with a line', async () => {
    await showUpTo(cursor(400));
    expect(shown().at(-1)).toBe('400');
    expect(shownLines.value.at(-1)?.order).toBe(-1);
  });
});

describe('a page of history', () => {
  const good = { events: [envelope(1)], next: cursor(0), complete: true, notices: [], sources: {}, unavailable: [] };

  it('without a source is none', () => {
    expect(readHistory({ ...good, unavailable: ['oanda'] }, usualDecimals, 0)).toBeNull();
    expect(readHistory({ ...good, events: 'x' }, usualDecimals, 0)).toBeNull();
    expect(readHistory({ ...good, next: '', complete: false }, usualDecimals, 0)).toBeNull();
  });

  it('says what it could not read and where it has holes', () => {
    const page = readHistory({ ...good, events: [envelope(1), 'x', envelope(4)], notices: [{ type: 'reset', source: 'oanda', reason: 'epoch' }] }, usualDecimals, 0);
    expect(page?.lines.map(({ type }) => type)).toEqual(['reset', 'order_cancelled', 'gap', 'order_cancelled', 'gap']);
  });

  it('knows where the journals begin, and where they are no longer kept', () => {
    expect(readHistory(good, usualDecimals, 0)?.isKeptWhole).toBe(true);
    expect(readHistory({ ...good, sources: { oanda: { first_seq: 40 } } }, usualDecimals, 0)?.isKeptWhole).toBe(false);
  });
});

describe('where a feed begins', () => {
  const feedOf = (id: string, seq: number | null): ReturnType<FeedDraft['finish']> => {
    const draft = new FeedDraft(EMPTY_FEED);
    draft.event(event('order_cancelled', {}, { id, seq }), 0);
    return draft.finish();
  };

  it('is before its first event, and nowhere for the first event there is', () => {
    expect(beginningOf(feedOf(cursor(12), 12))).toBe(cursor(11));
    expect(beginningOf(feedOf(`oanda@${EPOCH}:1,rick@${EPOCH}:0`, 1))).toBe('');
    expect(beginningOf(feedOf('', 12))).toBe('');
    expect(beginningOf(EMPTY_FEED)).toBe('');
  });

  it('is reached at every source', () => {
    expect(reaches(cursor(12), cursor(12))).toBe(true);
    expect(reaches(cursor(11), cursor(12))).toBe(false);
    expect(reaches(`oanda@${EPOCH}:12`, cursor(12))).toBe(true);
    expect(reaches('oanda@0000000000000000:1', cursor(12))).toBe(true);
  });
});

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Pages } from '../src/app/pages';
import { desk, dispatch } from '../src/app/store';
import { loadDesk } from '../src/app/sync';
import { type Cursors, type Fill, nextOf, readFill } from '../src/core/desk';

/** Fills 1 to `count` of one broker, newest first, as its server pages them; `after` is the number of the last one told. */
function answerTo(url: URL, count: number, limit: number): { fills: { fill_id: string; leg: string }[]; next: string | null } {
  const before = Number(url.searchParams.get('after') ?? count + 1);
  const numbers = Array.from({ length: Math.min(limit, before - 1) }, (_, i) => before - 1 - i);
  const last = numbers.at(-1) ?? 1;
  return { fills: numbers.map((n) => ({ fill_id: `${url.pathname.split('/')[4]}-${n}`, leg: leg })), next: last > 1 ? String(last) : null };
}

let leg = 'entry';
let asked: string[] = [];
let refused = '';

beforeEach(() => {
  leg = 'entry';
  asked = [];
  refused = '';
  vi.stubGlobal('fetch', (path: string) => {
    asked.push(path);
    const body = answerTo(new URL(path, 'http://arena'), path.includes('oanda') ? 350 : 150, 100);
    if (refused === 'down') return Promise.reject(new TypeError('no line'));
    return Promise.resolve(Response.json({ ok: true, ...body, unavailable: refused ? [refused] : [] }));
  });
  const next: Cursors = new Map([
    ['oanda', '251'],
    ['coinbase', '51'],
  ]);
  dispatch({ kind: 'part', name: 'fills', part: { fetched: 'ok', at: 1, list: [], unavailable: [], next } });
});

afterEach(() => vi.unstubAllGlobals());

const pages = (): Pages<Fill> => new Pages('fills', readFill);
const ids = (one: Pages<Fill>): string[] => one.shown.value?.rows.map(({ fillId }) => fillId) ?? [];

describe('older pages', () => {
  it('follow each broker to its end, every row once, and lead back without asking', async () => {
    const fills = pages();
    const told: string[] = [];
    const numbers: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      await fills.older();
      if (fills.shown.value?.number === numbers.at(-1)) break;
      numbers.push(fills.shown.value?.number ?? 0);
      told.push(...ids(fills));
    }
    expect(numbers).toEqual([2, 3, 4]);
    expect(told.filter((id) => id.startsWith('oanda'))).toEqual(Array.from({ length: 250 }, (_, i) => `oanda-${250 - i}`));
    expect(told.filter((id) => id.startsWith('coinbase'))).toEqual(Array.from({ length: 50 }, (_, i) => `coinbase-${50 - i}`));
    expect(fills.shown.value?.next.size).toBe(0);
    const questions = asked.length;
    fills.newer();
    expect([fills.shown.value?.number, ids(fills)[0]]).toEqual([3, 'oanda-150']);
    fills.newer();
    fills.newer();
    fills.newer();
    expect(fills.shown.value).toBeNull();
    expect(asked).toHaveLength(questions);
  });

  it('one that cannot be had leaves the page where it is, and says so until one can', async () => {
    const fills = pages();
    await fills.older();
    for (refused of ['down', 'coinbase']) {
      await fills.older();
      expect(fills.shown.value?.number).toBe(2);
      expect(fills.fault.value).toContain('cannot be asked');
    }
    refused = '';
    await fills.older();
    expect([fills.shown.value?.number, fills.fault.value]).toEqual([3, '']);
  });

  it('the page that is shown is asked for again, from where it began', async () => {
    const fills = pages();
    await fills.older();
    const before = ids(fills);
    leg = 'stop_loss';
    await fills.refresh();
    expect(fills.shown.value?.rows[0]?.leg).toBe('stop_loss');
    expect(ids(fills)).toEqual(before);
    refused = 'down';
    await fills.refresh();
    expect(ids(fills)).toEqual(before);
    expect(fills.fault.value).toContain('may be old');
  });

  it('two clicks are one page, and an answer that comes when its reader has left changes nothing', async () => {
    const fills = pages();
    await Promise.all([fills.older(), fills.older()]);
    expect(fills.shown.value?.number).toBe(2);
    const late = fills.older();
    fills.newest();
    await late;
    expect(fills.shown.value).toBeNull();
  });

  it('a step is not lost to an answer for the page it leaves, which was asked for before', async () => {
    const fills = pages();
    await fills.older();
    await Promise.all([fills.refresh(), fills.older()]);
    expect(fills.shown.value?.number).toBe(3);
  });

  it('who is missing from the newest page is named on all behind it', async () => {
    const next: Cursors = new Map([['oanda', '251']]);
    dispatch({ kind: 'part', name: 'fills', part: { fetched: 'ok', at: 1, list: [], unavailable: ['coinbase'], next } });
    const fills = pages();
    await fills.older();
    dispatch({ kind: 'part', name: 'fills', part: { fetched: 'ok', at: 2, list: [], unavailable: [], next } });
    await fills.refresh();
    expect([fills.shown.value?.number, fills.shown.value?.without]).toEqual([2, ['coinbase']]);
    await fills.older();
    expect([fills.shown.value?.number, fills.shown.value?.without]).toEqual([3, ['coinbase']]);
  });

  it('without a place behind the newest page nothing is asked', async () => {
    dispatch({ kind: 'part', name: 'fills', part: { fetched: 'ok', at: 1, list: [], unavailable: [] } });
    await pages().older();
    expect(asked).toEqual([]);
  });

  it('a place is a text that is not empty', () => {
    expect([...nextOf({ next: '57' }, 'oanda')]).toEqual([['oanda', '57']]);
    for (const next of [null, '', 57, undefined]) expect(nextOf({ next }, 'oanda').size).toBe(next === 57 ? 1 : 0);
  });
});

describe('the orders of the desk', () => {
  it('name a broker that was there for the newest page and not for the working orders behind it', async () => {
    vi.stubGlobal('fetch', (path: string) => {
      const body = path.includes('status=') ? { next: null, unavailable: ['coinbase'] } : { next: 'coinbase:57', unavailable: [] };
      return Promise.resolve(Response.json({ ok: true, orders: [], ...body }));
    });
    loadDesk();
    await vi.waitFor(() => expect(desk.value.orders.fetched).toBe('ok'));
    expect(desk.value.orders.unavailable).toEqual(['coinbase']);
  });
});

import { describe, expect, it } from 'vitest';
import { advance, readCandles } from '../src/core/candles';
import { readAccount, readList, readOrder, readPosition } from '../src/core/desk';
import { readInstruments, pipOf, pipName } from '../src/core/instruments';
import { isForexClosed } from '../src/core/market-hours';
import { healthOf, NO_PROGRAMS, readStatus, reduceHeartbeat } from '../src/core/programs';
import { isStale, middleOf, readQuote, spreadIn } from '../src/core/quotes';
import { readSession } from '../src/core/session';
import { type PageState, reduce, startState } from '../src/core/state';
import { oneLine } from '../src/core/text';
import { event, frame, PLACED } from './help';

const start = startState(1_760_000_000_000);
const envelope = (seq: number, more: object = {}): object => ({
  source: 'oanda',
  type: 'oco_placed',
  payload: PLACED,
  ts: '2025-10-16T11:55:27.021050Z',
  epoch: '61aa61aa61aa61aa',
  seq,
  ...more,
});

function after(state: PageState, ...frames: ReturnType<typeof frame>[]): PageState {
  return reduce(state, { kind: 'frames', frames });
}

describe('frames', () => {
  it('the same frames always give the same page', () => {
    const frames = [
      frame('message', envelope(1)),
      frame('gap', { source: 'oanda', from: 2, to: 3 }),
      frame('message', envelope(4)),
      frame('quote', { instrument: 'EUR_USD', bid: 1.1, ask: 1.2 }),
    ];
    expect(after(start, ...frames)).toEqual(after(start, ...frames));
  });

  it('a slice in which nothing happened keeps its identity', () => {
    const state = after(start, frame('message', envelope(1)));
    const next = after(state, frame('quote', { instrument: 'EUR_USD', bid: 1.1, ask: 1.2 }));
    expect(next.feed).toBe(state.feed);
    expect(next.desk).toBe(state.desk);
    expect(reduce(next, { kind: 'tick', now: 5 }).quotes).toBe(next.quotes);
  });

  it('what cannot be read is counted and said, once a batch', () => {
    const state = after(start, frame('message', '{broken'), frame('message', '[]'), frame('message', '"x"'), frame('message', { type: 'no source' }));
    expect(state.feed.lines.map((line) => line.parts.map((part) => part.text).join(' '))).toEqual(['Unreadable 4 messages could not be read']);
  });

  it('events of orders say that the desk is to be asked again; Rick’s do not', () => {
    const state = after(
      start,
      frame('message', envelope(1)),
      frame('message', { source: 'rick', type: 'narration', payload: { text: 'x' }, epoch: 'f', seq: 1 }),
    );
    expect(state.desk.told).toBe(1);
    expect(after(state, frame('message', envelope(1))).desk.told).toBe(1);
  });

  it('the build of the page is the first one heard; a later one is a new page', () => {
    let state = after(start, frame('ready', { build: 'a' }));
    expect(state.build).toEqual({ loaded: 'a', current: 'a' });
    state = after(state, frame('ready', { build: 'b' }));
    expect(state.build).toEqual({ loaded: 'a', current: 'b' });
    expect(after(state, frame('ready', {})).build).toBe(state.build);
  });

  it('a reconnect leaves its row', () => {
    const state = after(start, frame('recovered', { missed: 12, down_ms: 14_000 }));
    expect(state.feed.lines[0]?.type).toBe('connection');
  });
});

describe('prices', () => {
  const quote = (bid: unknown, ask: unknown, at = 1_000): PageState['quotes'] =>
    reduce(start, { kind: 'frames', frames: [frame('quote', { payload: { instrument: 'EUR_USD', bid, ask }, ts: 'x' }, { at })] }).quotes;

  it('are exact text, with the way they moved', () => {
    let state = after(start, frame('quote', { instrument: 'EUR_USD', bid: 1.16702, ask: 1.16714 }, { at: 1 }));
    expect(state.quotes.get('EUR_USD')).toMatchObject({ bid: '1.16702', ask: '1.16714', move: 0 });
    state = after(state, frame('quote', { instrument: 'EUR_USD', bid: 1.16701, ask: 1.16714 }, { at: 2 }));
    expect(state.quotes.get('EUR_USD')?.move).toBe(-1);
    state = after(state, frame('quote', { instrument: 'EUR_USD', bid: 1.16703, ask: 1.16714 }, { at: 3 }));
    expect(state.quotes.get('EUR_USD')?.move).toBe(1);
  });

  it('an older quote changes nothing, a quote without both sides is none', () => {
    const state = after(start, frame('quote', { instrument: 'EUR_USD', bid: 1, ask: 2 }, { at: 10 }));
    expect(after(state, frame('quote', { instrument: 'EUR_USD', bid: 3, ask: 4 }, { at: 9 })).quotes.get('EUR_USD')?.bid).toBe('1');
    expect(quote(null, 1).size).toBe(0);
    expect(quote('1e5', 1).size).toBe(0);
  });

  it('five seconds after they were heard they are old; an age told with them counts', () => {
    const fresh = readQuote(frame('quote', { instrument: 'EUR_USD', bid: 1, ask: 2 }, { at: 10_000 }))!;
    expect(isStale(fresh, 15_000)).toBe(false);
    expect(isStale(fresh, 15_001)).toBe(true);
    expect(readQuote(frame('quote', { instrument: 'EUR_USD', bid: 1, ask: 2, age_ms: 4_000 }, { at: 10_000 }))!.at).toBe(6_000);
  });

  it('the same quote told again is no younger for it', () => {
    const same = { instrument: 'EUR_USD', bid: 1, ask: 2 };
    const told = (at: number): ReturnType<typeof frame> => frame('quote', { payload: same, ts: '2025-10-16T11:55:27Z' }, { at });
    const state = after(start, told(10_000), told(90_000));
    expect(state.quotes.get('EUR_USD')?.at).toBe(10_000);
    expect(after(state, told(4_000)).quotes.get('EUR_USD')?.at).toBe(4_000);
  });

  it('middle and spread are exact', () => {
    const one = readQuote(frame('quote', { instrument: 'EUR_USD', bid: 1.16702, ask: 1.16715 }))!;
    expect(middleOf(one)).toBe('1.167085');
    expect(spreadIn(one, { units: 1n, scale: 4 })).toBe('1.3');
  });
});

describe('answers of the servers', () => {
  it('a session that cannot be read is none; what is missing in one is refused, not granted', () => {
    expect(readSession(null)).toBeNull();
    expect(readSession({})).toMatchObject({ user: null, mayRead: false, mayTrade: false, mode: 'paper', live: [] });
    expect(readSession({ may: { trade: 'yes' }, mode: 'live', modes: { oanda: 'live' } })).toMatchObject({
      mayTrade: false,
      mode: 'live',
      modes: new Map([['oanda', 'live']]),
    });
  });

  it('while the gateway cannot say who is looking, it is who it was', () => {
    const known = readSession({ user: { email: 'a@b', role: 'trader' }, csrf_token: 'x', may: { read: true, trade: true } })!;
    const state = reduce(start, { kind: 'session', session: known });
    const down = readSession({ user: null, gateway: 'down', mode: 'paper' })!;
    expect(reduce(state, { kind: 'session', session: down }).session).toMatchObject({
      user: { email: 'a@b' },
      csrfToken: 'x',
      mayTrade: true,
      isGatewayDown: true,
    });
    expect(reduce(state, { kind: 'session', session: readSession({ user: null, gateway: 'up' })! }).session?.user).toBeNull();
    expect(reduce(start, { kind: 'session', session: down }).session?.user).toBeNull();
  });

  it('instruments without a grid cannot be traded and are left out', () => {
    const list = readInstruments({
      instruments: [{ name: 'EUR_USD', venue: 'oanda', tick: 0.00001, step: 1, price_decimals: 5 }, { name: 'X', tick: 0, step: 1 }, null, 'BTC-USD'],
    });
    expect([...list.keys()]).toEqual(['EUR_USD']);
    const euro = list.get('EUR_USD')!;
    expect(euro).toMatchObject({ base: 'EUR', quote: 'USD', decimals: 5, assetClass: 'forex' });
    expect([pipOf(euro), pipName(euro)]).toEqual([{ units: 1n, scale: 4 }, 'pips']);
  });

  it('has its stop where it stands: a trailing one has moved on', () => {
    const order = { order_id: 'paper-coinbase-1', stop_loss_price: 20000, trailing_stop_distance: 500 };
    expect(readOrder(order)?.stop).toBe('20000');
    const legs = [{ leg: 'entry', price: null }, { leg: 'stop_loss', price: 42007.81 }, { leg: 'take_profit', price: 90000 }];
    expect(readOrder({ ...order, legs })?.stop).toBe('42007.81');
    expect(readOrder({ ...order, legs: 'none' })?.stop).toBe('20000');
  });

  it('orders, positions and accounts keep money as exact text', () => {
    expect(readOrder({ order_id: 'paper-oanda-1', units: 100, entry_price: 1.1655, side: 'buy', status: 'PENDING' })).toMatchObject({
      units: '100',
      entry: '1.1655',
      side: 'BUY',
      stop: null,
    });
    expect(readPosition({ instrument: 'EUR_USD', open_pnl: -0.1 }, 'oanda')).toMatchObject({ broker: 'oanda', openPnl: '-0.1', protection: '' });
    expect(readAccount({ ok: true, account: { equity: 100000.5, holdings: { BTC: 1 } } }, 'coinbase')).toMatchObject({
      equity: '100000.5',
      holdings: new Map([['BTC', '1']]),
    });
    expect(readList({ orders: [1, null, {}] }, 'orders', (one) => readOrder(one))).toHaveLength(1);
    expect(readList(null, 'orders', (one) => readOrder(one))).toEqual([]);
  });

  it('candles come once each, oldest first, and quotes move the last', () => {
    const mid = { open: 1, high: 3, low: 0.5, close: 2 };
    const candles = readCandles({
      candles: [{ time: 60, mid }, { time: 120, mid }, { time: 120, mid }, { time: 180 }, { time: 240, mid: { ...mid, high: 'x' } }],
    });
    expect(candles.map((one) => one.time)).toEqual([60, 120]);
    const last = candles[1]!;
    expect(advance(last, 4, 130_000, 'M1')).toMatchObject({ time: 120, high: 4, close: 4, low: 0.5 });
    expect(advance(last, 4, 185_000, 'M1')).toEqual({ time: 180, open: 4, high: 4, low: 4, close: 4 });
    expect(advance(last, 4, 100_000, 'M1')).toBeNull();
    expect(advance(last, Number.NaN, 130_000, 'M1')).toBeNull();
  });
});

describe('programs', () => {
  const beat = (programs: object): typeof NO_PROGRAMS => reduceHeartbeat(NO_PROGRAMS, event('heartbeat', { programs } as never), 10_000);

  it('one that said it is well a moment ago is well', () => {
    expect(healthOf('oanda', beat({ oanda: { status: 'ok', age_ms: 400 } }), true, 10_000)).toBe('ok');
    expect(healthOf('narrator', beat({ rick: { status: 'ok', age_ms: 400 } }), true, 10_000)).toBe('ok');
  });

  it('silence is down, trouble is trouble, and unheard is not well', () => {
    expect(healthOf('oanda', beat({ oanda: { status: 'ok', age_ms: 3_400 } }), true, 10_000)).toBe('down');
    expect(healthOf('oanda', beat({ oanda: { status: 'degraded', age_ms: 0 } }), true, 10_000)).toBe('degraded');
    expect(healthOf('oanda', beat({ oanda: { status: 'silent', age_ms: null } }), true, 10_000)).toBe('down');
    expect(healthOf('oanda', NO_PROGRAMS, true, 10_000)).toBe('unknown');
  });

  it('what was heard before the line broke is not known any more', () => {
    expect(healthOf('oanda', beat({ oanda: { status: 'ok', age_ms: 400 } }), false, 10_000)).toBe('unknown');
    const status = readStatus({ supervisor: 'up', programs: [{ name: 'oanda', state: 'RUNNING', heartbeat: { age_ms: 100, status: 'ok' } }] });
    expect(healthOf('oanda', { ...NO_PROGRAMS, status, statusAt: 9_000 }, false, 10_000)).toBe('ok');
    expect(healthOf('oanda', { ...NO_PROGRAMS, status, statusAt: 9_000 }, false, 30_000)).toBe('unknown');
  });

  it('what supervisord calls dead is dead whatever it said before', () => {
    const status = readStatus({ supervisor: 'up', programs: [{ name: 'oanda', state: 'BACKOFF', log: ['a', 1, null] }] });
    expect(healthOf('oanda', { ...beat({ oanda: { status: 'ok', age_ms: 0 } }), status, statusAt: 9_000 }, true, 10_000)).toBe('down');
    expect(status?.programs[0]?.log).toEqual(['a', '1', '']);
  });
});

describe('time and trading states', () => {
  const beat = (ts: string, oanda = 'ACTIVE'): ReturnType<typeof frame> =>
    frame(
      'heartbeat',
      { source: 'arena', type: 'heartbeat', ts, payload: { programs: { oanda: { status: 'ok', age_ms: 1, trading_state: oanda } } } },
      { at: Date.parse('2025-10-16T12:00:00Z') },
    );

  it('a clock that is off is seen in the heartbeat; a second is the way here', () => {
    expect(after(start, beat('2025-10-16T12:00:01Z')).clockAhead).toBe(0);
    expect(after(start, beat('2025-10-16T12:05:00Z')).clockAhead).toBe(300_000);
    expect(after(after(start, beat('2025-10-16T12:05:00Z')), beat('nonsense')).clockAhead).toBe(300_000);
  });

  it('a broker that stops is known by its heartbeat and by its event', () => {
    const known = reduce(start, { kind: 'session', session: readSession({ trading_states: { oanda: 'ACTIVE', coinbase: 'ACTIVE' } })! });
    expect(after(known, beat('2025-10-16T12:00:00Z')).session).toBe(known.session);
    expect(after(known, beat('2025-10-16T12:00:00Z', 'HALTED')).session?.tradingStates.get('oanda')).toBe('HALTED');
    const told = after(
      known,
      frame('message', { source: 'coinbase', type: 'trading_state_changed', payload: { new: 'REDUCING' }, epoch: 'e', seq: 1 }),
    );
    expect(told.session?.tradingStates).toEqual(
      new Map([
        ['oanda', 'ACTIVE'],
        ['coinbase', 'REDUCING'],
      ]),
    );
  });

  it('the forex week is New York’s, daylight saving and all', () => {
    const closed = (ts: string): boolean => isForexClosed(Date.parse(ts));
    expect([closed('2025-10-17T20:59:00Z'), closed('2025-10-17T21:01:00Z'), closed('2025-10-18T12:00:00Z')]).toEqual([false, true, true]);
    expect([closed('2025-10-19T20:59:00Z'), closed('2025-10-19T21:01:00Z'), closed('2025-10-15T12:00:00Z')]).toEqual([true, false, false]);
    expect([closed('2025-12-05T21:59:00Z'), closed('2025-12-05T22:01:00Z')]).toEqual([false, true]);
  });
});

describe('text from elsewhere', () => {
  it('is one line, without marks that lie about order, and not endless', () => {
    expect(oneLine('a\nb\u2028c\u202ed\u0000e')).toBe('a b c d e');
    expect(oneLine('x'.repeat(1000), 10)).toBe('xxxxxxxxx…');
    expect(oneLine(`${'x'.repeat(8)}😀y`, 10)).toBe(`${'x'.repeat(8)}…`);
    expect(oneLine({ toString: () => 'no' })).toBe('');
  });
});

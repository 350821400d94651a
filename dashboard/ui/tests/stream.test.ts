import { beforeEach, describe, expect, it } from 'vitest';
import { type ConnectionEvent, needsBanner, reduceConnection, SILENCE_MS_MAX, startConnection } from '../src/core/connection';
import { ArenaStream, type Source, type World } from '../src/core/stream';
import type { Frame } from '../src/core/wire';
import { Hub, type Port, type ToPage } from '../src/stream/hub';

/** A world whose time moves when told, and whose sources say what they are told. */
class FakeWorld implements World {
  time = 1_000_000;
  sources: FakeSource[] = [];
  private timers = new Map<number, { at: number; run: () => void }>();
  private next = 1;

  open(url: string): Source {
    const source = new FakeSource(url);
    this.sources.push(source);
    return source;
  }

  now(): number {
    return this.time;
  }

  random(): number {
    return 0.5;
  }

  setTimer(run: () => void, ms: number): number {
    this.timers.set(this.next, { at: this.time + ms, run });
    return this.next++;
  }

  clearTimer(id: number): void {
    this.timers.delete(id);
  }

  pass(ms: number): void {
    const end = this.time + ms;
    for (;;) {
      const due = [...this.timers].filter(([, timer]) => timer.at <= end).sort((a, b) => a[1].at - b[1].at)[0];
      if (!due) break;
      this.timers.delete(due[0]);
      this.time = due[1].at;
      due[1].run();
    }
    this.time = end;
  }

  get last(): FakeSource {
    return this.sources.at(-1)!;
  }
}

class FakeSource implements Source {
  isClosed = false;
  private listeners = new Map<string, (message: { data?: unknown; lastEventId?: unknown }) => void>();
  constructor(readonly url: string) {}
  addEventListener(name: string, listener: (message: { data?: unknown; lastEventId?: unknown }) => void): void {
    this.listeners.set(name, listener);
  }
  close(): void {
    this.isClosed = true;
  }
  say(name: string, data: unknown = {}, id = ''): void {
    this.listeners.get(name)?.({ data: JSON.stringify(data), lastEventId: id });
  }
  get query(): Record<string, string> {
    return Object.fromEntries(new URLSearchParams(this.url.split('?')[1]));
  }
}

let world: FakeWorld;
let frames: Frame[];
let events: ConnectionEvent[];
let stream: ArenaStream;

beforeEach(() => {
  world = new FakeWorld();
  frames = [];
  events = [];
  stream = new ArenaStream(world, { frame: (frame) => frames.push(frame), connection: (event) => events.push(event) });
});

const kinds = (): string[] => events.map((event) => event.kind);

describe('a stream that does not stay closed', () => {
  it('asks for the last five hundred at first, and after that for what follows its place', () => {
    stream.start(['EUR_USD']);
    expect(world.last.query).toEqual({ replay: '500', quotes: 'EUR_USD' });
    world.last.say('message', { a: 1 }, 'oanda@e:7');
    world.last.say('ready', {}, 'oanda@e:7');
    world.last.say('error');
    world.pass(1_000);
    expect(world.sources).toHaveLength(2);
    expect(world.last.query).toEqual({ last_event_id: 'oanda@e:7', quotes: 'EUR_USD' });
    expect(world.sources[0]?.isClosed).toBe(true);
  });

  it('a stream that was cut before its first event goes on from the cursor of ready', () => {
    stream.start([]);
    world.last.say('ready', { cursor: 'oanda@e:3' });
    world.last.say('error');
    world.pass(1_000);
    expect(world.last.query).toEqual({ last_event_id: 'oanda@e:3' });
  });

  it('waits longer after each failure, ten seconds at most, and anew after a success', () => {
    stream.start([]);
    const waits: number[] = [];
    for (let i = 0; i < 8; i += 1) {
      world.last.say('error');
      const event = events.at(-1)!;
      waits.push(event.kind === 'lost' ? event.retryAt - event.at : -1);
      world.pass(11_000);
    }
    expect(waits).toEqual([500, 750, 1_250, 2_250, 4_250, 5_250, 5_250, 5_250]);
    world.last.say('ready');
    world.last.say('error');
    expect(events.at(-1)).toMatchObject({ retryAt: world.time + 500 });
  });

  it('nothing that a closed source still says is heard', () => {
    stream.start([]);
    const old = world.last;
    old.say('error');
    old.say('message', {}, 'x');
    expect(frames).toEqual([]);
  });

  it('silence is told, and ends in a new attempt; a word ends the silence', () => {
    stream.start([]);
    world.last.say('ready');
    world.pass(SILENCE_MS_MAX + 1_500);
    expect(kinds()).toEqual(['opening', 'ready', 'silent']);
    world.last.say('heartbeat');
    expect(kinds().at(-1)).toBe('heard');
    world.pass(SILENCE_MS_MAX + 12_000);
    expect(kinds()).toContain('lost');
    expect(world.sources.length).toBeGreaterThan(1);
  });

  it('a stream that opens and never gets ready is given up', () => {
    stream.start([]);
    world.pass(17_000);
    expect(kinds()).toContain('lost');
  });

  it('a full server is asked again after half a minute, not before', () => {
    stream.start([]);
    world.last.say('busy');
    expect(events.at(-1)).toMatchObject({ kind: 'busy' });
    world.pass(29_000);
    stream.start([]);
    expect(world.sources).toHaveLength(1);
    world.pass(9_000);
    expect(world.sources).toHaveLength(2);
  });

  it('retry does not wait, and a stopped stream stays stopped', () => {
    stream.start([]);
    stream.retry();
    expect(world.sources).toHaveLength(1);
    world.last.say('error');
    stream.retry();
    expect(world.sources).toHaveLength(2);
    stream.stop();
    world.pass(60_000);
    stream.retry();
    expect(world.sources).toHaveLength(2);
    expect(world.last.isClosed).toBe(true);
  });

  it('other quotes are asked for at the place reached; the same ones change nothing', () => {
    stream.start(['EUR_USD']);
    world.last.say('message', {}, 'oanda@e:9');
    stream.start(['EUR_USD']);
    expect(world.sources).toHaveLength(1);
    stream.start(['BTC-USD', 'EUR_USD']);
    expect(world.last.query).toEqual({ last_event_id: 'oanda@e:9', quotes: 'BTC-USD,EUR_USD' });
  });
});

describe('what the page says of the connection', () => {
  it('first connecting, then live, then reconnecting since when it was lost', () => {
    let state = startConnection(0);
    expect(state.phase).toBe('connecting');
    state = reduceConnection(state, { kind: 'lost', at: 5, retryAt: 10 });
    expect(state.phase).toBe('connecting');
    state = reduceConnection(state, { kind: 'ready', at: 20 });
    state = reduceConnection(state, { kind: 'lost', at: 100, retryAt: 200 });
    state = reduceConnection(state, { kind: 'opening', at: 200 });
    state = reduceConnection(state, { kind: 'lost', at: 300, retryAt: 400 });
    expect(state).toMatchObject({ phase: 'reconnecting', since: 100, lostAt: 100, attempt: 2 });
    expect(reduceConnection(state, { kind: 'ready', at: 500 })).toMatchObject({ phase: 'live', lostAt: null, attempt: 0 });
  });

  it('silence counts from the last word, and a word ends it', () => {
    let state = reduceConnection(startConnection(0), { kind: 'ready', at: 20 });
    state = reduceConnection(state, { kind: 'silent', at: 12_000 });
    expect(state).toMatchObject({ phase: 'stale', lostAt: 20 });
    expect(reduceConnection(state, { kind: 'heard', at: 13_000 })).toMatchObject({ phase: 'live', lostAt: null });
  });

  it('the banner comes after two seconds of trouble', () => {
    const live = reduceConnection(startConnection(0), { kind: 'ready', at: 20 });
    const lost = reduceConnection(live, { kind: 'lost', at: 10_000, retryAt: 10_500 });
    expect(needsBanner(live, 1e9)).toBe(false);
    expect(needsBanner(lost, 11_900)).toBe(false);
    expect(needsBanner(lost, 12_000)).toBe(true);
  });
});

describe('one stream for many tabs', () => {
  class Tab implements Port {
    frames: Frame[] = [];
    phases: string[] = [];
    post(message: ToPage): void {
      if (message.kind === 'frames') this.frames.push(...message.frames);
      else this.phases.push(message.connection.phase);
    }
    get names(): string[] {
      return this.frames.map((frame) => frame.name);
    }
  }

  let hub: Hub;
  const hello = (tab: Tab, ...quotes: string[]): void => hub.receive(tab, { kind: 'hello', quotes });

  beforeEach(() => {
    hub = new Hub(world);
    hub.attach(new ArenaStream(world, hub));
  });

  it('opens once for all, with the quotes that any of them wants', () => {
    const [one, two] = [new Tab(), new Tab()];
    hello(one, 'EUR_USD');
    hello(two, 'EUR_USD', 'BTC-USD');
    hello(one, 'EUR_USD');
    expect(world.sources.filter((source) => !source.isClosed)).toHaveLength(1);
    expect(world.last.query['quotes']).toBe('BTC-USD,EUR_USD');
  });

  it('a newcomer gets what the others have, at once and in order', () => {
    const one = new Tab();
    hello(one);
    world.last.say('message', { n: 1 }, 'a@e:1');
    world.last.say('quote', { instrument: 'EUR_USD', bid: 1, ask: 2 });
    world.last.say('quote', { instrument: 'EUR_USD', bid: 1.5, ask: 2 });
    world.last.say('message', { n: 2 }, 'a@e:2');
    world.last.say('ready');
    world.pass(60);
    const late = new Tab();
    hello(late);
    expect(one.names).toEqual(['message', 'quote', 'quote', 'message', 'ready']);
    expect(late.names).toEqual(['message', 'quote', 'message', 'ready']);
    expect(late.phases).toContain('live');
  });

  it('hands over in batches', () => {
    const one = new Tab();
    hello(one);
    for (let i = 0; i < 100; i += 1) world.last.say('message', { i }, `a@e:${i}`);
    expect(one.frames).toHaveLength(0);
    world.pass(60);
    expect(one.frames).toHaveLength(100);
  });

  it('tells what a reconnect brought: how long it was away and how many were missed', () => {
    const one = new Tab();
    hello(one);
    world.last.say('ready');
    world.last.say('error');
    world.pass(3_000);
    world.last.say('message', {}, 'a@e:1');
    world.last.say('message', {}, 'a@e:2');
    world.last.say('ready');
    world.pass(60);
    const recovered = one.frames.find((frame) => frame.name === 'recovered');
    expect(JSON.parse(recovered!.data)).toEqual({ missed: 2, down_ms: 3_000 });
  });

  it('heartbeats come unnamed; only the newest is kept, and none counts as missed', () => {
    const one = new Tab();
    hello(one);
    world.last.say('message', { source: 'oanda', type: 'oco_placed', payload: { text: '"heartbeat"' } }, 'a@e:1');
    world.last.say('ready');
    world.last.say('error');
    world.pass(3_000);
    for (let i = 0; i < 5; i += 1) world.last.say('message', { source: 'arena', type: 'heartbeat', payload: { i } }, 'a@e:1');
    world.last.say('ready');
    world.pass(60);
    expect(JSON.parse(one.frames.find((frame) => frame.name === 'recovered')!.data)).toMatchObject({ missed: 0 });
    const late = new Tab();
    hello(late);
    expect(late.names.toSorted()).toEqual(['heartbeat', 'message', 'ready', 'recovered']);
  });

  it('a new set of quotes is no reconnect', () => {
    const one = new Tab();
    hello(one);
    world.last.say('ready');
    hello(one, 'EUR_USD');
    world.last.say('ready');
    world.pass(60);
    expect(one.names).not.toContain('recovered');
  });

  it('ends with the last tab, and forgets those that went without a word', () => {
    const [one, two] = [new Tab(), new Tab()];
    hello(one, 'EUR_USD');
    world.pass(250_000);
    hello(two);
    expect(world.last.query['quotes']).toBeUndefined();
    hub.receive(two, { kind: 'bye' });
    expect(world.last.isClosed).toBe(true);
  });
});

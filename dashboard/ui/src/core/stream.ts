/**
 * One event stream that does not stay closed.
 *
 * A browser's EventSource gives up for good on any answer but 200 and starts without its place after a reload. So every ending, fatal or
 * not, is treated alike here: close, wait (full jitter, doubling to RETRY_MS_MAX), open a new one with `?last_event_id=`. A stream that is
 * open but silent is ended too. Framework-free; what it needs of the world (EventSource, clock, timers, chance) is handed in.
 */

import { type ConnectionEvent, SILENCE_MS_MAX } from './connection';
import { type Frame, readReady } from './wire';

/** The part of EventSource used here. */
export interface Source {
  addEventListener(name: string, listener: (message: { data?: unknown; lastEventId?: unknown }) => void): void;
  close(): void;
}

export interface World {
  open(url: string): Source;
  now(): number;
  random(): number;
  setTimer(run: () => void, ms: number): number;
  clearTimer(id: number): void;
}

export interface Listener {
  frame(frame: Frame): void;
  connection(event: ConnectionEvent): void;
}

const NAMES = ['message', 'ready', 'gap', 'reset', 'heartbeat', 'quote', 'busy'] as const;

const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 10_000;
/** What `busy` asks for. */
const BUSY_MS = 30_000;
/** Open for so long without being ready: a proxy that swallows the answer. */
const READY_MS_MAX = 15_000;
/** After so much silence a stale stream is ended and asked for anew. */
const GIVE_UP_MS = SILENCE_MS_MAX + 8_500;
/** What the server replays to somebody new; the page keeps as many lines. */
const REPLAY = 500;
const WATCH_MS = 1_000;

export class ArenaStream {
  private source: Source | null = null;
  private timer: number | null = null;
  private watch: number | null = null;
  private failures = 0;
  private openedAt = 0;
  private heardAt = 0;
  private isReady = false;
  private isSilent = false;
  private lastId = '';
  private quotes: readonly string[] = [];

  constructor(
    private readonly world: World,
    private readonly listener: Listener,
    private readonly path = '/arena/events',
  ) {}

  /** Open, or open anew when the wanted quotes changed. */
  start(quotes: readonly string[]): void {
    const same = quotes.length === this.quotes.length && quotes.every((name, i) => name === this.quotes[i]);
    if (same && (this.source || this.timer !== null)) return;
    this.quotes = [...quotes];
    this.connect();
  }

  /** Do not wait for the next attempt: the network came back, or the reader asked. */
  retry(): void {
    if (!this.source && this.watch !== null) this.connect();
  }

  stop(): void {
    this.end();
    if (this.watch !== null) this.world.clearTimer(this.watch);
    this.watch = null;
  }

  private url(): string {
    const query = new URLSearchParams();
    if (this.lastId) query.set('last_event_id', this.lastId);
    else query.set('replay', String(REPLAY));
    if (this.quotes.length) query.set('quotes', this.quotes.join(','));
    return `${this.path}?${query.toString()}`;
  }

  private connect(): void {
    this.end();
    const source = this.world.open(this.url());
    this.source = source;
    this.openedAt = this.heardAt = this.world.now();
    this.isReady = this.isSilent = false;
    for (const name of NAMES) {
      source.addEventListener(name, (message) => {
        if (this.source === source) this.receive(name, message);
      });
    }
    source.addEventListener('error', () => {
      if (this.source === source) this.fail('lost', this.backoff());
    });
    this.listener.connection({ kind: 'opening', at: this.openedAt });
    if (this.watch === null) this.watchOver();
  }

  private receive(name: (typeof NAMES)[number], message: { data?: unknown; lastEventId?: unknown }): void {
    const at = this.world.now();
    const data = typeof message.data === 'string' ? message.data : '';
    const id = typeof message.lastEventId === 'string' ? message.lastEventId : '';
    this.heardAt = at;
    if (this.isSilent) {
      this.isSilent = false;
      this.listener.connection({ kind: 'heard', at });
    }
    if (name === 'busy') {
      this.fail('busy', BUSY_MS * (1 + this.world.random() / 4));
      return;
    }
    if (id) this.lastId = id;
    if (name === 'ready') {
      this.isReady = true;
      this.failures = 0;
      if (!this.lastId) this.lastId = readReady(data).cursor;
      this.listener.frame({ name, id, data, at });
      this.listener.connection({ kind: 'ready', at });
      return;
    }
    this.listener.frame({ name, id, data, at });
  }

  private fail(kind: 'lost' | 'busy', delay: number): void {
    this.end();
    const at = this.world.now();
    this.listener.connection({ kind, at, retryAt: at + delay });
    this.timer = this.world.setTimer(() => {
      this.timer = null;
      this.connect();
    }, delay);
  }

  /** Full jitter: many pages must not return to a restarted server in step. */
  private backoff(): number {
    const ceiling = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** this.failures);
    this.failures += 1;
    return RETRY_MS_FIRST / 2 + this.world.random() * ceiling;
  }

  private end(): void {
    this.source?.close();
    this.source = null;
    if (this.timer !== null) this.world.clearTimer(this.timer);
    this.timer = null;
  }

  private watchOver(): void {
    this.watch = this.world.setTimer(() => {
      this.watchOver();
      if (!this.source) return;
      const at = this.world.now();
      if (!this.isReady) {
        if (at - this.openedAt > READY_MS_MAX) this.fail('lost', this.backoff());
      } else if (at - this.heardAt > GIVE_UP_MS) {
        this.fail('lost', this.backoff());
      } else if (at - this.heardAt > SILENCE_MS_MAX && !this.isSilent) {
        this.isSilent = true;
        this.listener.connection({ kind: 'silent', at });
      }
    }, WATCH_MS);
  }
}

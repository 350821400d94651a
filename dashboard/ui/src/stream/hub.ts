/**
 * One stream, many tabs: keeps what a newcomer needs to show at once, and hands each batch of frames to every tab.
 *
 * Runs in the SharedWorker, or in the page itself where there is none; it neither knows nor cares. A browser allows six connections to one
 * host: with a stream per tab the seventh tab would not even load.
 */

import { type Connection, type ConnectionEvent, reduceConnection, startConnection } from '../core/connection';
import { LINES_MAX } from '../core/feed';
import type { Listener } from '../core/stream';
import { readQuote } from '../core/quotes';
import { type Frame, readRecord } from '../core/wire';

/** `n` rises from frame to frame, across restarts of the worker too: a tab that is welcomed twice knows what it has. */
export type Numbered = Frame & { readonly n: number };

export type ToPage =
  { readonly kind: 'frames'; readonly frames: readonly Numbered[] } | { readonly kind: 'connection'; readonly connection: Connection };

export type FromPage = { readonly kind: 'hello'; readonly quotes: readonly string[] } | { readonly kind: 'retry' } | { readonly kind: 'bye' };

export interface Port {
  post(message: ToPage): void;
}

/** The stream as the hub drives it. */
export interface Stream {
  start(quotes: readonly string[]): void;
  retry(): void;
  stop(): void;
}

export interface Timers {
  now(): number;
  setTimer(run: () => void, ms: number): number;
}

/** Frames are handed over in batches, at once for the eye; in a storm larger ones, so that the page draws ten times a second and not more. */
const FLUSH_MS = 50;
const FLUSH_STORM_MS = 100;
const STORM_FRAMES = 15;
/** A tab that was closed without a word; hidden tabs are throttled to one sign a minute. */
const PORT_SILENT_MS_MAX = 200_000;

export class Hub implements Listener {
  private readonly ports = new Map<Port, { seenAt: number; quotes: readonly string[] }>();
  private readonly history: Numbered[] = [];
  /** The newest quote per instrument, the newest heartbeat, the newest `ready`. */
  private readonly latest = new Map<string, Numbered>();
  private link: Connection;
  private pending: Numbered[] = [];
  private n = 0;
  private flushing = false;
  private lastFlushed = 0;
  private missed = 0;
  private stream: Stream | null = null;

  constructor(private readonly timers: Timers) {
    this.link = startConnection(timers.now());
  }

  /** The stream that this hub listens to; handed in after both exist. */
  attach(stream: Stream): void {
    this.stream = stream;
  }

  receive(port: Port, message: FromPage): void {
    const at = this.timers.now();
    switch (message.kind) {
      case 'hello':
        this.welcome(port, message.quotes, at);
        break;
      case 'retry':
        this.stream?.retry();
        break;
      case 'bye':
        this.leave(port);
        break;
    }
  }

  private welcome(port: Port, quotes: readonly string[], at: number): void {
    for (const [other, { seenAt }] of this.ports) if (at - seenAt > PORT_SILENT_MS_MAX) this.ports.delete(other);
    const isNew = !this.ports.has(port);
    this.ports.set(port, { seenAt: at, quotes });
    if (isNew) {
      this.flush();
      port.post({ kind: 'connection', connection: this.link });
      port.post({ kind: 'frames', frames: [...this.history, ...this.latest.values()].sort((a, b) => a.n - b.n) });
    }
    this.restart();
  }

  private leave(port: Port): void {
    this.ports.delete(port);
    if (this.ports.size > 0) return;
    this.stream?.stop();
    this.link = startConnection(this.timers.now());
  }

  private restart(): void {
    const wanted = new Set([...this.ports.values()].flatMap(({ quotes }) => quotes));
    this.stream?.start([...wanted].sort());
  }

  connection(event: ConnectionEvent): void {
    const before = this.link;
    this.link = reduceConnection(before, event);
    if (event.kind === 'opening') this.missed = 0;
    if (event.kind === 'ready' && before.lostAt !== null) {
      const data = JSON.stringify({ missed: this.missed, down_ms: event.at - before.lostAt });
      this.frame({ name: 'recovered', id: '', data, at: event.at });
    }
    this.flush();
    for (const port of this.ports.keys()) port.post({ kind: 'connection', connection: this.link });
  }

  frame(frame: Frame): void {
    this.n = Math.max(this.n + 1, this.timers.now() * 1000);
    const numbered = { ...frame, name: isHeartbeat(frame) ? 'heartbeat' : frame.name, n: this.n };
    this.remember(numbered);
    this.pending.push(numbered);
    if (this.flushing) return;
    this.flushing = true;
    this.timers.setTimer(() => this.flush(), this.lastFlushed > STORM_FRAMES ? FLUSH_STORM_MS : FLUSH_MS);
  }

  private remember(frame: Numbered): void {
    if (frame.name === 'quote') this.latest.set(`quote ${readQuote(frame)?.instrument}`, frame);
    else if (frame.name === 'heartbeat' || frame.name === 'ready') this.latest.set(frame.name, frame);
    else {
      if (frame.name === 'message') this.missed += 1;
      this.history.push(frame);
      if (this.history.length > 2 * LINES_MAX) this.history.splice(0, this.history.length - LINES_MAX);
    }
  }

  private flush(): void {
    this.flushing = false;
    if (this.pending.length === 0) return;
    const frames = this.pending;
    this.lastFlushed = frames.length;
    this.pending = [];
    for (const port of this.ports.keys()) port.post({ kind: 'frames', frames });
  }
}

/** Heartbeats come unnamed among the events, without a place of their own: kept as the newest one only, and never counted as missed. */
function isHeartbeat(frame: Frame): boolean {
  return frame.name === 'message' && frame.data.includes('"heartbeat"') && readRecord(frame.data)?.['type'] === 'heartbeat';
}

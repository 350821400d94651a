/** The arena's own programs: what their heartbeats say as they pass, and what `/api/status` adds (state, uptime, log lines). */

import { oneLine } from './text';
import { type ArenaEvent, isRecord, type Json } from './wire';

export const PROGRAM_NAMES = ['bus', 'market_data', 'oanda', 'coinbase', 'narrator', 'gateway', 'dashboard'] as const;

export interface Beat {
  readonly status: string;
  readonly mode: string;
  readonly tradingState: string;
  readonly lastSeq: number | null;
  /** When the program last beat, ms since 1970 by this machine's clock. */
  readonly at: number;
}

export interface Program {
  readonly name: string;
  readonly state: string;
  readonly uptimeS: number | null;
  readonly pid: number | null;
  readonly ageMs: number | null;
  readonly isStale: boolean;
  readonly status: string;
  readonly mode: string;
  readonly tradingState: string;
  readonly lag: number | null;
  readonly lastSeq: number | null;
  readonly log: readonly string[];
}

export interface StatusAnswer {
  readonly supervisor: string;
  readonly programs: readonly Program[];
}

export interface Programs {
  readonly beats: ReadonlyMap<string, Beat>;
  /** When the last composed heartbeat came. */
  readonly heardAt: number;
  readonly status: StatusAnswer | null;
  readonly statusAt: number;
}

export const NO_PROGRAMS: Programs = { beats: new Map(), heardAt: 0, status: null, statusAt: 0 };

function number(value: Json | undefined): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}

/** After the stream's heartbeat: what each program said of itself, and how long ago. */
export function reduceHeartbeat(programs: Programs, event: ArenaEvent, at: number): Programs {
  const listed = isRecord(event.payload['programs']) ? event.payload['programs'] : event.payload;
  const beats = new Map<string, Beat>();
  for (const [name, beat] of Object.entries(listed)) {
    if (!isRecord(beat)) continue;
    const ageMs = number(beat['age_ms']) ?? Number.POSITIVE_INFINITY;
    beats.set(oneLine(name, 24), {
      status: oneLine(beat['status'] ?? beat['state'], 24),
      mode: oneLine(beat['mode'], 12),
      tradingState: oneLine(beat['trading_state'], 16),
      lastSeq: number(beat['last_seq']),
      at: at - ageMs,
    });
  }
  return { ...programs, beats, heardAt: at };
}

function readProgram(value: Json): Program | null {
  if (!isRecord(value)) return null;
  const name = oneLine(value['name'], 24);
  if (!name) return null;
  const beat = isRecord(value['heartbeat']) ? value['heartbeat'] : {};
  const log = value['log'];
  return {
    name,
    state: oneLine(value['state'], 16),
    uptimeS: number(value['uptime_s']),
    pid: number(value['pid']),
    ageMs: number(beat['age_ms']),
    isStale: beat['stale'] === true,
    status: oneLine(beat['status'], 24),
    mode: oneLine(beat['mode'], 12),
    tradingState: oneLine(beat['trading_state'], 16),
    lag: number(value['lag']),
    lastSeq: number(beat['last_seq']),
    log: Array.isArray(log) ? log.slice(-20).map((line) => oneLine(line, 1000)) : [],
  };
}

export function readStatus(value: unknown): StatusAnswer | null {
  if (!isRecord(value) || !Array.isArray(value['programs'])) return null;
  return {
    supervisor: oneLine(value['supervisor'], 16),
    programs: value['programs'].map(readProgram).filter((program) => program !== null),
  };
}

export type Health = 'ok' | 'degraded' | 'down' | 'unknown';

/** A status answer older than this says nothing about now. */
const STATUS_MS_MAX = 15_000;

/** One word for a tile, from all that is known of the program now: what was heard before the line broke is not known any more. */
export function healthOf(name: string, programs: Programs, isLive: boolean, now: number): Health {
  const listed = now - programs.statusAt < STATUS_MS_MAX ? programs.status?.programs.find((program) => program.name === name) : undefined;
  if (listed && /^(FATAL|STOPPED|EXITED|BACKOFF)$/.test(listed.state)) return 'down';
  // The narrator beats under the name of the source it owns.
  const beat = isLive ? (programs.beats.get(name) ?? (name === 'narrator' ? programs.beats.get('rick') : undefined)) : undefined;
  // The composed heartbeat comes each 5 s and names ages; 3 s of silence at the program is trouble.
  if (beat) return programs.heardAt - beat.at > 3_000 ? 'down' : /^(ok|starting)$/.test(beat.status) ? 'ok' : 'degraded';
  if (listed?.ageMs != null) return listed.isStale ? 'down' : listed.status === 'ok' ? 'ok' : 'degraded';
  return listed?.state === 'RUNNING' ? 'ok' : 'unknown';
}

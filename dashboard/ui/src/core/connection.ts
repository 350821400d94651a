/**
 * The state of the line to the server, as one value: what the badge, the banner and the feed say about it.
 *
 * Phases: `connecting` (first time), `live`, `reconnecting` (lost; the page shows what it had), `stale` (open, but nothing was heard for
 * SILENCE_MS_MAX), `busy` (the server has no free slot and said so).
 */

export type Phase = 'connecting' | 'live' | 'reconnecting' | 'stale' | 'busy';

/** The server beats every 5 s: two lost beats and a little. */
export const SILENCE_MS_MAX = 11_500;
/** Shorter trouble is not worth a banner: a reload of the server takes less. */
export const BANNER_AFTER_MS = 2_000;

export interface Connection {
  readonly phase: Phase;
  /** When this phase began, ms since 1970. */
  readonly since: number;
  /** When the stream was last whole; null before the first `ready`. */
  readonly lostAt: number | null;
  /** Failed attempts since then. */
  readonly attempt: number;
  /** When the next attempt starts; null while one is under way. */
  readonly retryAt: number | null;
  /** Last sign of life. */
  readonly heardAt: number;
}

export type ConnectionEvent =
  | { readonly kind: 'opening'; readonly at: number }
  | { readonly kind: 'ready'; readonly at: number }
  | { readonly kind: 'heard'; readonly at: number }
  | { readonly kind: 'silent'; readonly at: number }
  | { readonly kind: 'busy'; readonly at: number; readonly retryAt: number }
  | { readonly kind: 'lost'; readonly at: number; readonly retryAt: number };

export function startConnection(at: number): Connection {
  return { phase: 'connecting', since: at, lostAt: null, attempt: 0, retryAt: null, heardAt: at };
}

/** The connection after one event. */
export function reduceConnection(state: Connection, event: ConnectionEvent): Connection {
  const { at } = event;
  switch (event.kind) {
    case 'opening':
      return { ...state, retryAt: null };
    case 'ready':
      return { phase: 'live', since: at, lostAt: null, attempt: 0, retryAt: null, heardAt: at };
    case 'heard':
      return state.phase === 'stale' ? { ...state, phase: 'live', since: at, lostAt: null, heardAt: at } : { ...state, heardAt: at };
    case 'silent':
      return state.phase === 'live' ? { ...state, phase: 'stale', since: at, lostAt: state.heardAt } : state;
    case 'busy':
    case 'lost': {
      const everLive = state.phase !== 'connecting';
      const phase = event.kind === 'busy' ? 'busy' : everLive ? 'reconnecting' : 'connecting';
      return {
        phase,
        since: state.phase === phase ? state.since : at,
        lostAt: state.lostAt ?? (everLive ? at : null),
        attempt: state.attempt + 1,
        retryAt: event.retryAt,
        heardAt: state.heardAt,
      };
    }
  }
}

/** Whether the banner shows: trouble that lasts longer than a blink. */
export function needsBanner(state: Connection, now: number): boolean {
  return state.phase !== 'live' && now - state.since >= BANNER_AFTER_MS;
}

/**
 * The page's state and its one door, `reduce`. Pure: the same events always give the same page.
 *
 * Each slice keeps its identity while nothing in it changed, so a view that reads one slice is drawn when that slice changes and not
 * otherwise.
 */

import { type Connection, startConnection } from './connection';
import { type Desk, EMPTY_DESK, reduceDesk, type DeskEvent } from './desk';
import { EMPTY_FEED, type Feed, FeedDraft, retell } from './feed';
import { type Instruments, NO_INSTRUMENTS } from './instruments';
import { usualDecimals } from './narrate';
import { NO_QUOTES, type Quote, type Quotes, readQuote, reduceQuotes } from './quotes';
import { mergeSession, type Session, withTradingStates } from './session';
import { oneLine } from './text';
import { NO_PROGRAMS, type Programs, reduceHeartbeat, type StatusAnswer } from './programs';
import { type ArenaEvent, type Frame, readEvent, readGap, readReady, readRecord, readReset } from './wire';

export interface PageState {
  /** The time by this machine, ms since 1970, at the last tick. */
  readonly now: number;
  /** How far the server's clock is ahead of this machine's, ms; small differences count as none. */
  readonly clockAhead: number;
  readonly connection: Connection;
  readonly feed: Feed;
  readonly quotes: Quotes;
  readonly instruments: Instruments;
  readonly session: Session | null;
  readonly programs: Programs;
  readonly desk: Desk;
  /** The build this page was loaded with, and the one the server has now. */
  readonly build: { readonly loaded: string; readonly current: string };
}

export type PageEvent =
  | { readonly kind: 'tick'; readonly now: number }
  | { readonly kind: 'frames'; readonly frames: readonly Frame[] }
  | { readonly kind: 'connection'; readonly connection: Connection }
  | { readonly kind: 'session'; readonly session: Session }
  | { readonly kind: 'instruments'; readonly instruments: Instruments }
  | { readonly kind: 'quotes'; readonly quotes: readonly Quote[] }
  | { readonly kind: 'status'; readonly status: StatusAnswer; readonly now: number }
  | DeskEvent;

export function startState(now: number): PageState {
  return {
    now,
    clockAhead: 0,
    connection: startConnection(now),
    feed: EMPTY_FEED,
    quotes: NO_QUOTES,
    instruments: NO_INSTRUMENTS,
    session: null,
    programs: NO_PROGRAMS,
    desk: EMPTY_DESK,
    build: { loaded: '', current: '' },
  };
}

export function decimalsIn(instruments: Instruments): (name: string) => number {
  return (name) => instruments.get(name)?.decimals ?? usualDecimals(name);
}

/** The state after one event. */
export function reduce(state: PageState, event: PageEvent): PageState {
  switch (event.kind) {
    case 'tick':
      return { ...state, now: event.now };
    case 'frames':
      return reduceFrames(state, event.frames);
    case 'connection':
      return { ...state, connection: event.connection };
    case 'session':
      return { ...state, session: mergeSession(state.session, event.session), build: seenBuild(state.build, event.session.build) };
    case 'instruments':
      return { ...state, instruments: event.instruments, feed: retell(state.feed, decimalsIn(event.instruments)) };
    case 'quotes':
      return { ...state, quotes: reduceQuotes(state.quotes, event.quotes) };
    case 'status':
      return { ...state, programs: { ...state.programs, status: event.status, statusAt: event.now } };
    default: {
      const desk = reduceDesk(state.desk, event);
      return desk === state.desk ? state : { ...state, desk };
    }
  }
}

function seenBuild(build: PageState['build'], current: string): PageState['build'] {
  if (!current || current === build.current) return build;
  return { loaded: build.loaded || current, current };
}

function reduceFrames(state: PageState, frames: readonly Frame[]): PageState {
  const draft = new FeedDraft(state.feed, decimalsIn(state.instruments));
  const quotes: Quote[] = [];
  const fresh: ArenaEvent[] = [];
  let { build, programs, clockAhead } = state;
  const tradingStates = new Map<string, string>();
  let unreadable = 0;
  for (const frame of frames) {
    switch (frame.name) {
      case 'quote': {
        const quote = readQuote(frame);
        if (quote) quotes.push(quote);
        break;
      }
      case 'gap':
        draft.gap(readGap(frame.data), frame.at);
        break;
      case 'reset':
        draft.reset(readReset(frame.data), frame.at);
        break;
      case 'ready':
        build = seenBuild(build, readReady(frame.data).build);
        break;
      case 'recovered': {
        const { missed, down_ms: down } = readRecord(frame.data) ?? {};
        draft.recovered(Number(missed) || 0, Number(down) || 0, frame.at);
        break;
      }
      default: {
        const event = readFrameEvent(frame);
        if (!event) unreadable += 1;
        else if (draft.event(event, frame.at)) {
          if (event.type === 'heartbeat') {
            programs = reduceHeartbeat(programs, event, frame.at);
            clockAhead = aheadBy(event.ts, frame.at, clockAhead);
            for (const [name, { tradingState }] of programs.beats) if (tradingState) tradingStates.set(name, tradingState);
          } else fresh.push(event);
          if (event.type === 'trading_state_changed') tradingStates.set(event.source, oneLine(event.payload['new'], 16));
        }
      }
    }
  }
  if (unreadable) draft.unreadable(unreadable, frames.at(-1)?.at ?? state.now);
  return {
    ...state,
    build,
    programs,
    clockAhead,
    session: withTradingStates(state.session, tradingStates),
    feed: draft.finish(),
    quotes: reduceQuotes(state.quotes, quotes),
    desk: fresh.length ? reduceDesk(state.desk, { kind: 'told', events: fresh }) : state.desk,
  };
}

/** Differences up to this are the way here, not the clocks. */
const CLOCKS_AGREE_MS = 2_000;

function aheadBy(ts: string, at: number, before: number): number {
  const difference = Date.parse(ts) - at;
  if (!Number.isFinite(difference)) return before;
  return Math.abs(difference) <= CLOCKS_AGREE_MS ? 0 : difference;
}

/** A heartbeat may come as an envelope or, being a named frame, as its payload alone. */
function readFrameEvent(frame: Frame): ArenaEvent | null {
  const record = readRecord(frame.data);
  const event = readEvent(record, frame.id);
  if (event || frame.name !== 'heartbeat' || !record) return event;
  return { id: '', source: 'arena', type: 'heartbeat', payload: record, ts: new Date(frame.at).toISOString(), epoch: null, seq: null };
}

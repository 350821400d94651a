/** Who is looking and what they may do, as `GET /api/session` says it (docs/dashboard-api.md). */

import { oneLine } from './text';
import { isRecord, type Json } from './wire';

export type Mode = 'paper' | 'live';

export interface Session {
  readonly user: { readonly email: string; readonly role: string } | null;
  readonly csrfToken: string;
  readonly mayRead: boolean;
  readonly mayTrade: boolean;
  readonly mayAdmin: boolean;
  /** Brokers for which this user holds a live grant. */
  readonly live: readonly string[];
  readonly mode: Mode;
  readonly modes: ReadonlyMap<string, Mode>;
  readonly tradingStates: ReadonlyMap<string, string>;
  readonly loginRequired: boolean;
  /** Somebody is logged in, and who it is cannot be asked now. */
  readonly isGatewayDown: boolean;
  readonly build: string;
}

function textMap(value: Json | undefined): Map<string, string> {
  return new Map(isRecord(value) ? Object.entries(value).map(([name, text]) => [oneLine(name, 24), oneLine(text, 24)]) : []);
}

export function readSession(value: unknown): Session | null {
  if (!isRecord(value)) return null;
  const user = value['user'];
  const may = isRecord(value['may']) ? value['may'] : {};
  const modes = textMap(value['modes']);
  return {
    user: isRecord(user) ? { email: oneLine(user['email'], 120), role: oneLine(user['role'], 16) } : null,
    csrfToken: typeof value['csrf_token'] === 'string' ? value['csrf_token'] : '',
    mayRead: may['read'] === true,
    mayTrade: may['trade'] === true,
    mayAdmin: may['admin'] === true,
    live: Array.isArray(value['live']) ? value['live'].map((name) => oneLine(name, 24)) : [],
    mode: value['mode'] === 'live' ? 'live' : 'paper',
    modes: new Map([...modes].map(([name, mode]) => [name, mode === 'live' ? 'live' : 'paper'])),
    tradingStates: textMap(value['trading_states']),
    loginRequired: value['login_required'] === true,
    isGatewayDown: value['gateway'] === 'down',
    build: oneLine(value['build'], 80),
  };
}

/** What is known after `next`: while the gateway cannot say who is looking, it is who it was. */
export function mergeSession(before: Session | null, next: Session): Session {
  if (!next.isGatewayDown || !before?.user) return next;
  const { user, csrfToken, mayRead, mayTrade, mayAdmin, live } = before;
  return { ...next, user, csrfToken, mayRead, mayTrade, mayAdmin, live };
}

/** The session with what the brokers said of their trading states since. */
export function withTradingStates(session: Session | null, heard: ReadonlyMap<string, string>): Session | null {
  if (!session || [...heard].every(([name, state]) => session.tradingStates.get(name) === state)) return session;
  return { ...session, tradingStates: new Map([...session.tradingStates, ...heard]) };
}

/** Whether each of `brokers` is known to be halted: one that was not heard may trade. */
export function allHalted(session: Session, brokers: readonly string[]): boolean {
  return brokers.length > 0 && brokers.every((name) => session.tradingStates.get(name) === 'HALTED');
}

/**
 * Calls to the dashboard's own server. An answer is a value, never an exception: refused, down and unknown are things to show.
 *
 * Changes carry the CSRF token of the session; a change that may have happened without an answer is `unknown`, which is neither done nor
 * failed.
 */

import { oneLine } from '../core/text';
import { isRecord, type Payload } from '../core/wire';

export type Answer =
  | { readonly kind: 'ok'; readonly status: number; readonly body: Payload }
  | { readonly kind: 'refused'; readonly status: number; readonly code: string; readonly message: string; readonly details: Payload }
  | { readonly kind: 'unknown'; readonly message: string; readonly retrySafe: boolean; readonly body: Payload }
  | { readonly kind: 'down'; readonly message: string };

/** Longer than the longest the server itself takes (live orders have 10 s). */
const TIMEOUT_MS = 16_000;

let csrfToken = '';
let renew: () => Promise<void> = () => Promise.resolve();

export function useCsrfToken(token: string): void {
  csrfToken = token;
}

/** How to ask anew who is logged in, for when a change is refused because that has changed. */
export function renewSessionBy(ask: () => Promise<void>): void {
  renew = ask;
}

/** A refused read says that the session has ended: the page asks at once, and not at its next look, who is logged in. */
const RENEW_PAUSE_MS = 5_000;
let renewedAt = 0;

export async function get(path: string): Promise<Answer> {
  const answer = await call('GET', path);
  if (answer.kind === 'refused' && answer.status === 401 && Date.now() - renewedAt > RENEW_PAUSE_MS) {
    renewedAt = Date.now();
    void renew();
  }
  return answer;
}

export async function change(
  method: 'POST' | 'PATCH' | 'DELETE',
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const answer = await call(method, path, body, { 'X-CSRF-Token': csrfToken, ...headers });
  if (answer.kind !== 'refused' || (answer.code !== 'CSRF_TOKEN_WRONG' && answer.status !== 401) || path === '/api/session') return answer;
  const before = csrfToken;
  await renew();
  // Refused before anything was done: with the session's new token the same request is the first one.
  return csrfToken && csrfToken !== before ? call(method, path, body, { 'X-CSRF-Token': csrfToken, ...headers }) : answer;
}

async function call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const init: RequestInit = {
    method,
    headers: { Accept: 'application/json', ...headers },
    cache: 'no-store',
    signal: AbortSignal.timeout(TIMEOUT_MS),
  };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { ...init.headers, 'Content-Type': 'application/json' };
  }
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch {
    const message = 'The dashboard’s server does not answer.';
    // A read changed nothing; a change may have left before the line broke.
    return method === 'GET' ? { kind: 'down', message } : { kind: 'unknown', message, retrySafe: false, body: {} };
  }
  return readAnswer(response, method);
}

async function readAnswer(response: Response, method: string): Promise<Answer> {
  let body: unknown = null;
  try {
    body = await response.json();
  } catch {
    // An answer cut short, or a proxy's own page: its status still says what it is.
  }
  const record = isRecord(body) ? body : {};
  const { status } = response;
  if (status === 202) {
    const message = oneLine(record['message'], 400) || 'It is not known yet whether this was done.';
    return { kind: 'unknown', message, retrySafe: record['retry_safe'] === true, body: record };
  }
  // A bulk answer is 207 whether or not each part was done; its `ok` says.
  if (status === 207 && record['ok'] === false) {
    return { kind: 'refused', status, code: 'PARTLY', message: `${oneLine(record['failed'], 10)} of them could not be done.`, details: record };
  }
  if (response.ok && isRecord(body)) return { kind: 'ok', status, body: record };
  if (response.ok && method !== 'GET') return { kind: 'unknown', message: 'The answer was cut short.', retrySafe: false, body: {} };
  if (response.ok) return { kind: 'down', message: 'The answer was cut short.' };
  return {
    kind: 'refused',
    status,
    code: oneLine(record['code'], 80) || `HTTP ${status}`,
    message: oneLine(record['message'], 600) || `The server answered ${status}.`,
    details: isRecord(record['details']) ? record['details'] : {},
  };
}

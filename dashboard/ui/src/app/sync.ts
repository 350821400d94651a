/**
 * Keeps the state in step with the servers: the stream, and questions asked again when an event says that their answer changed.
 *
 * A hidden page asks nothing by itself; when it is shown again it asks everything once.
 */

import { effect } from '@preact/signals';
import {
  type Desk,
  type Fetched,
  type Fill,
  newestFirst,
  nextOf,
  type PartName,
  readAccount,
  readFill,
  readList,
  readOrder,
  readPosition,
  readTrade,
  type Trade,
  WORKING,
} from '../core/desk';
import { readInstruments } from '../core/instruments';
import { readStatus } from '../core/programs';
import { type Quote, quoteOf } from '../core/quotes';
import { readSession } from '../core/session';
import { oneLine } from '../core/text';
import { isRecord } from '../core/wire';
import { openStream, type StreamClient } from '../stream/client';
import { type Answer, get, renewSessionBy, useCsrfToken } from './api';
import { fillPages, orderPages, pathOf, tradePages } from './pages';
import { loadMidnight } from './performance';
import { bookTab } from './settings';
import { desk, dispatch, instruments, session, state } from './store';

const TICK_MS = 1_000;
const SESSION_EVERY_MS = 30_000;
const STATUS_EVERY_MS = 5_000;
/** Money moves with prices: positions and accounts are asked for at least this often. */
const DESK_EVERY_MS = 3_000;
/** Several events of one moment (a fill and what follows) are one question, and in a storm there is one a second. */
const DESK_SETTLE_MS = 150;
const DESK_PAUSE_MS = 1_000;
/** The list of instruments names the quotes to follow; the stream does not wait longer for it. */
const INSTRUMENTS_WAIT_MS = 400;
const RETRY_MS = 3_000;
/** A thousand working orders of each broker: more than anybody's limits let stand. */
const WORKING_PAGES_MAX = 5;
/** Midnight passes once a day; an account that could not be asked is asked again soon enough. */
const MIDNIGHT_EVERY_MS = 20_000;

let stream: StreamClient | null = null;

export function retryStream(): void {
  stream?.retry();
}

/** Start everything; called once. */
export async function startSync(): Promise<void> {
  renewSessionBy(loadSession);
  every(TICK_MS, () => dispatch({ kind: 'tick', now: Date.now() }), true);
  await loadSession();
  every(SESSION_EVERY_MS, () => void loadSession());
  let started = false;
  effect(() => {
    if (started || !session.value?.mayRead) return;
    started = true;
    queueMicrotask(startReading);
  });
  watchForNewBuild();
}

function startReading(): void {
  const loaded = loadInstruments();
  stream = openStream((message) => dispatch(message));
  void Promise.race([loaded, sleep(INSTRUMENTS_WAIT_MS)]).then(() => follow());
  effect(() => {
    if (instruments.value.size) follow();
  });
  void loadQuotes();
  void loadStatus();
  every(STATUS_EVERY_MS, () => void loadStatus());
  every(DESK_EVERY_MS, () => loadDesk());
  loadDesk();
  // Shortly after the list of brokers is known, and then now and again.
  void loaded.then(() => loadMidnight());
  every(MIDNIGHT_EVERY_MS, () => void loadMidnight());
  reloadOnEvents();
  reloadOnReturn();
}

function follow(): void {
  stream?.follow([...instruments.peek().keys()]);
}

function reloadOnEvents(): void {
  let timer: number | undefined;
  let told = desk.peek().told;
  let askedAt = 0;
  effect(() => {
    if (desk.value.told === told) return;
    told = desk.value.told;
    timer ??= window.setTimeout(
      () => {
        timer = undefined;
        askedAt = Date.now();
        loadDesk();
      },
      Math.max(DESK_SETTLE_MS, askedAt + DESK_PAUSE_MS - Date.now()),
    );
  });
}

function reloadOnReturn(): void {
  document.addEventListener('visibilitychange', () => {
    if (document.hidden) return;
    dispatch({ kind: 'tick', now: Date.now() });
    void loadSession();
    void loadStatus();
    loadDesk();
  });
  let phase = state.peek().connection.phase;
  effect(() => {
    const { phase: now } = state.value.connection;
    if (now === phase) return;
    phase = now;
    if (now === 'live') {
      void loadSession();
      void loadStatus();
      void loadQuotes();
      loadDesk();
    }
  });
}

/** A new page is taken when nobody is looking; whoever looks is told and chooses. */
function watchForNewBuild(): void {
  document.addEventListener('visibilitychange', () => {
    const { loaded, current } = state.peek().build;
    if (document.hidden && loaded !== current && !document.querySelector('dialog[open], [data-dirty="true"]')) location.reload();
  });
}

export async function loadSession(): Promise<void> {
  const answer = await get('/api/session');
  if (answer.kind !== 'ok') {
    if (!session.peek()) setTimeout(() => void loadSession(), RETRY_MS);
    return;
  }
  const read = readSession(answer.body);
  if (!read) return;
  dispatch({ kind: 'session', session: read });
  useCsrfToken(session.peek()?.csrfToken ?? '');
  if (read.isGatewayDown) setTimeout(() => void loadSession(), RETRY_MS);
}

async function loadInstruments(): Promise<void> {
  const answer = await get('/api/market/instruments');
  const list = answer.kind === 'ok' ? readInstruments(answer.body) : null;
  if (list?.size) dispatch({ kind: 'instruments', instruments: list });
  else setTimeout(() => void loadInstruments(), RETRY_MS);
}

/** Prices before the stream has any: each with the age that the server knows. */
async function loadQuotes(): Promise<void> {
  const answer = await get('/api/market/quotes');
  if (answer.kind !== 'ok') return;
  const list = answer.body['quotes'];
  const now = Date.now();
  const heard: Quote[] = [];
  for (const entry of Array.isArray(list) ? list : []) {
    if (!isRecord(entry)) continue;
    const age = entry['age_ms'];
    const quote = quoteOf(entry, now - (typeof age === 'number' ? age : 0), oneLine(entry['ts'], 40));
    if (quote) heard.push(quote);
  }
  dispatch({ kind: 'quotes', quotes: heard });
}

export async function loadStatus(): Promise<void> {
  const answer = await get('/api/status');
  const status = answer.kind === 'ok' ? readStatus(answer.body) : null;
  if (status) dispatch({ kind: 'status', status, now: Date.now() });
}

/** The brokers of this arena. */
export function brokers(): string[] {
  const venues = new Set([...instruments.peek().values()].map(({ venue }) => venue).filter(Boolean));
  return venues.size ? [...venues] : [...(session.peek()?.modes.keys() ?? ['oanda', 'coinbase'])];
}

export function loadDesk(): void {
  void loadOrders();
  void loadPerBroker('positions', 'positions', readPosition);
  void loadPerBroker('accounts', 'account', readAccount);
  if (bookTab.peek() === 'fills') void loadPerBroker('fills', 'fills?limit=100', readFill);
  if (bookTab.peek() === 'trades') void loadPerBroker('trades', 'trades?limit=100', readTrade);
  for (const pages of [orderPages, fillPages, tradePages]) void pages.refresh();
}

async function loadOrders(): Promise<void> {
  const answer = await get(`${pathOf('orders', '')}?limit=100`);
  if (answer.kind !== 'ok') {
    dispatch({ kind: 'trouble', name: 'orders', ...troubleOf(answer) });
    return;
  }
  const unavailable = new Set(unavailableIn(answer.body));
  const list = readList(answer.body, 'orders', readOrder);
  const next = nextOf(answer.body, '');
  // Where there are more than a page of them, one that still works may be older than all of these, and is shown all the same.
  const known = new Set(list.map(({ orderId }) => orderId));
  let after = '';
  for (let page = 0; next.size && page < WORKING_PAGES_MAX; page += 1) {
    const working = await get(`${pathOf('orders', '')}?limit=200&status=${WORKING.join(',')}${after}`);
    if (working.kind !== 'ok') {
      dispatch({ kind: 'trouble', name: 'orders', ...troubleOf(working) });
      return;
    }
    list.push(...readList(working.body, 'orders', readOrder).filter(({ orderId }) => !known.has(orderId)));
    for (const broker of unavailableIn(working.body)) unavailable.add(broker);
    const place = nextOf(working.body, '').get('');
    if (!place) break;
    after = `&after=${encodeURIComponent(place)}`;
  }
  dispatch({ kind: 'part', name: 'orders', part: { fetched: 'ok', at: Date.now(), list, unavailable: [...unavailable], next } });
}

/** The brokers whose part is missing from a list of all. */
function unavailableIn(body: Readonly<Record<string, unknown>>): string[] {
  const missing = body['unavailable'];
  return Array.isArray(missing) ? missing.map((one) => oneLine(isRecord(one) ? one['broker'] : one, 24)) : [];
}

type PerBroker = Exclude<PartName, 'orders'>;

/** Asks each broker; one that is down leaves its old entries standing, and is named. */
async function loadPerBroker<N extends PerBroker>(
  name: N,
  path: string,
  read: (entry: unknown, broker: string) => Desk[N]['list'][number] | null,
): Promise<void> {
  const asked = brokers();
  const answers = await Promise.all(asked.map((broker) => get(pathOf(path, broker))));
  const good = answers.filter((answer) => answer.kind === 'ok');
  if (good.length === 0) {
    const first = answers[0];
    if (first) dispatch({ kind: 'trouble', name, ...troubleOf(first) });
    return;
  }
  const unavailable = asked.filter((_broker, i) => answers[i]?.kind !== 'ok');
  const next = new Map<string, string>();
  const list = answers.flatMap((answer, i) => {
    if (answer.kind !== 'ok') return [];
    const broker = asked[i] ?? '';
    for (const [key, place] of nextOf(answer.body, broker)) next.set(key, place);
    const one = name === 'accounts' ? read(answer.body, broker) : null;
    return one ? [one] : readList(answer.body, name, (entry) => read(entry, broker));
  });
  const sorted = name === 'fills' || name === 'trades' ? newestFirst(list as (Fill | Trade)[]) : list;
  dispatch({ kind: 'part', name, part: { fetched: 'ok', at: Date.now(), list: sorted, unavailable, next } } as Parameters<typeof dispatch>[0]);
}

function troubleOf(answer: Answer): { fetched: Fetched; fault: string } {
  if (answer.kind !== 'refused') return { fetched: 'down', fault: '' };
  if (answer.status === 401 || answer.status === 403) return { fetched: 'locked', fault: '' };
  return { fetched: answer.status === 404 ? 'absent' : 'down', fault: `${answer.message} (${answer.code})` };
}

function every(ms: number, run: () => void, evenHidden = false): void {
  setInterval(() => {
    if (evenHidden || !document.hidden) run();
  }, ms);
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

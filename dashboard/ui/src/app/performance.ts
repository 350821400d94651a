/** One account's figures and equity points from the gateway; and where each account's equity stood at the last midnight. */

import { computed, signal } from '@preact/signals';
import { parseDecimal, subtract, toText } from '../core/decimal';
import { dayOf } from '../core/format';
import { dayBase, type EquityPoint, type Performance, readEquity, readPerformance } from '../core/performance';
import { isRecord, type Json } from '../core/wire';
import { type Answer, get } from './api';
import { zoneOf, zoneSetting } from './settings';
import { desk } from './store';
import { brokers } from './sync';

const PAGE = 200;
/** Two thousand points: a day and a half of them, a minute apart. */
const PAGES_MAX = 10;

export interface Record {
  readonly broker: string;
  /** `absent`: this arena does not reckon it. */
  readonly state: 'loading' | 'ok' | 'absent' | 'down';
  readonly performance: Performance | null;
  readonly equity: readonly EquityPoint[];
}

export const record = signal<Record | null>(null);

async function pages(path: string, isEnough: (body: Json) => boolean = () => false): Promise<{ bodies: Json[]; isCut: boolean } | null> {
  const bodies: Json[] = [];
  let after = '';
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const answer: Answer = await get(`${path}?limit=${PAGE}${after}`);
    if (answer.kind !== 'ok') return bodies.length ? { bodies, isCut: true } : null;
    bodies.push(answer.body);
    const { next } = answer.body;
    if (typeof next !== 'string' || isEnough(answer.body)) return { bodies, isCut: false };
    after = `&after=${encodeURIComponent(next)}`;
  }
  return { bodies, isCut: true };
}

function path(broker: string, name: string): string {
  return `/api/arena/brokers/${encodeURIComponent(broker)}/${name}`;
}

function points(bodies: readonly Json[]): EquityPoint[] {
  return readEquity({ equity: bodies.flatMap((body) => (isRecord(body) && Array.isArray(body['equity']) ? body['equity'] : [])) });
}

export async function loadRecord(broker: string): Promise<void> {
  record.value = { broker, state: 'loading', performance: null, equity: [] };
  const [answer, equity] = await Promise.all([get(path(broker, 'performance')), pages(path(broker, 'equity'))]);
  if (record.peek()?.broker !== broker) return;
  const performance = answer.kind === 'ok' ? readPerformance(answer.body) : null;
  const state = performance ? 'ok' : answer.kind === 'refused' && answer.status === 404 ? 'absent' : 'down';
  record.value = { broker, state, performance, equity: points(equity?.bodies ?? []) };
}

/** Equity at the last midnight, by broker, and the day it belongs to. */
const midnight = signal<ReadonlyMap<string, { readonly day: string; readonly equity: string }>>(new Map());

/** What each account's equity moved since midnight in the chosen zone; a broker whose midnight is not known is missing. */
export const today = computed<ReadonlyMap<string, string>>(() => {
  const moves = new Map<string, string>();
  for (const { broker, equity } of desk.value.accounts.list) {
    const base = midnight.value.get(broker);
    const [now, then] = [parseDecimal(equity ?? ''), parseDecimal(base?.equity ?? '')];
    if (now && then) moves.set(broker, toText(subtract(now, then)));
  }
  return moves;
});

/** Look up where each account stood at midnight: once a day and zone, and again while it could not be asked. */
export async function loadMidnight(): Promise<void> {
  const zone = zoneOf(zoneSetting.peek());
  const day = `${dayOf(Date.now(), zone)} ${zone}`;
  for (const broker of brokers()) {
    if (midnight.peek().get(broker)?.day === day) continue;
    const isBefore = (point: EquityPoint): boolean => `${dayOf(point.time * 1000, zone)} ${zone}` !== day;
    const loaded = await pages(path(broker, 'equity'), (body) => points([body]).some(isBefore));
    if (!loaded || loaded.isCut) continue;
    const base = dayBase(points(loaded.bodies), isBefore);
    if (base !== null) midnight.value = new Map(midnight.peek()).set(broker, { day, equity: base });
  }
}

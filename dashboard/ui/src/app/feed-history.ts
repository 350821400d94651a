/**
 * Back through the feed, beyond the lines that the page keeps.
 *
 * One page of it is on the screen and in memory, and while it is, the feed is held: what happens meanwhile is counted and waits. With a filter a
 * page is what matches of as many events as it takes, up to a limit: how far was looked is said.
 */

import { computed, effect, signal } from '@preact/signals';
import { type Filter, isFiltering, isShown } from '../core/filter';
import type { Line } from '../core/feed';
import { beginningOf, type HistoryPage, joined, reaches, readHistory } from '../core/history';
import { decimalsIn } from '../core/state';
import { get } from './api';
import { type Earlier, earlier, filter, hold, isPaused, landing, resume, toldFeed } from './feed-view';
import { instruments } from './store';

const PAGE_EVENTS = 250;
/** With a filter so many lines are a page, and so many of the server's pages are looked through for them. */
const ENOUGH_LINES = 250;
const QUESTIONS_MAX = 20;

type Direction = 'before' | 'after';

export const isAsking = signal(false);
/** Why the page that was asked for is not there. */
export const fault = signal('');

/** An answer that comes when something else has been asked for meanwhile is nobody's. */
let question = 0;

/** Whether there is anything before what is shown. */
export const isMore = computed(() => (earlier.value?.before ?? beginningOf(toldFeed.value)) !== '');

export async function showEarlier(): Promise<void> {
  const from = earlier.peek()?.before ?? beginningOf(toldFeed.peek());
  if (!from || isAsking.peek()) return;
  const wasPaused = isPaused.peek();
  hold();
  if (!(await show('before', from)) && !wasPaused && !earlier.peek()) resume();
}

/** The page behind the one that is shown; behind the last one stands the feed, as it was held. */
export async function showLater(): Promise<void> {
  const page = earlier.peek();
  if (page && !isAsking.peek()) await show('after', page.end);
}

/** The page whose newest line is the one that `cursor` ends with. Returns whether it is shown. */
export function showUpTo(cursor: string): Promise<boolean> {
  hold();
  return show('before', cursor);
}

async function show(direction: Direction, from: string): Promise<boolean> {
  question += 1;
  const mine = question;
  isAsking.value = true;
  const found = await ask(direction, from, filter.peek(), () => mine === question);
  if (mine !== question) return false;
  isAsking.value = false;
  if (!isPaused.peek()) return false;
  fault.value = found ? '' : 'These lines cannot be asked for now.';
  if (!found) return false;
  landing.value = direction === 'before' ? 'end' : 'start';
  earlier.value = found === 'feed' ? null : found;
  return true;
}

/** As many pages as make one of ours, `feed` where they lead into the feed itself, or null where one of them was not answered. */
async function ask(direction: Direction, from: string, wanted: Filter, isWanted: () => boolean): Promise<Earlier | 'feed' | null> {
  const decimalsOf = decimalsIn(instruments.peek());
  const pages: HistoryPage[] = [];
  const lines: (readonly Line[])[] = [];
  let count = 0;
  let place = from;
  do {
    const answer = await get(`/api/arena/events/history?${direction}=${encodeURIComponent(place)}&limit=${PAGE_EVENTS}`);
    const page = answer.kind === 'ok' && isWanted() ? readHistory(answer.body, decimalsOf, Date.now()) : null;
    if (!page) return null;
    if (direction === 'after' && (!page.next || reaches(page.next, beginningOf(toldFeed.peek())))) return 'feed';
    pages.push(page);
    const shown = page.lines.filter((line) => isShown(line, wanted));
    lines.push(shown);
    count += shown.length;
    place = page.next;
  } while (place && count < ENOUGH_LINES && pages.length < QUESTIONS_MAX && isFiltering(wanted));
  if (direction === 'before') {
    lines.reverse();
    pages.reverse();
  }
  return {
    lines: joined(lines),
    end: direction === 'before' ? from : place,
    before: direction === 'before' ? place : from,
    isBeginning: pages[0]?.isKeptWhole ?? true,
    since: pages.find(({ since }) => since)?.since ?? '',
    until: pages.findLast(({ until }) => until)?.until ?? '',
  };
}

/** A page belongs to a filter: when that changes it is asked for anew. When the feed goes on, what was asked for is nobody's any more. */
export function keepHistoryInStep(): void {
  let before = filter.peek();
  effect(() => {
    const page = earlier.value;
    const wanted = filter.value;
    if (!page) {
      question += 1;
      isAsking.value = false;
      fault.value = '';
    } else if (wanted !== before) void show('before', page.end);
    before = wanted;
  });
}

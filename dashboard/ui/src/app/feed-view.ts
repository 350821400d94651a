/** How the reader looks at the feed: filter, pause, and which line is open. */

import { computed, effect, signal } from '@preact/signals';
import type { Feed, Line } from '../core/feed';
import { type Filter, filterFromQuery, filterToQuery, isShown } from '../core/filter';
import { feed } from './store';

export const filter = signal<Filter>(filterFromQuery(location.search));

/** The feed as it stood when the reader said stop; null while it runs. */
const held = signal<Feed | null>(null);
export const isPaused = computed(() => held.value !== null);

/** A page of what was told before the feed's first line. */
export interface Earlier {
  readonly lines: readonly Line[];
  /** Where it ends, and where the page before it does: empty where nothing is kept before it. */
  readonly end: string;
  readonly before: string;
  /** Where nothing is kept before it: whether that is the beginning. */
  readonly isBeginning: boolean;
  /** The times of the first and the last event that were looked at for it, shown or not. */
  readonly since: string;
  readonly until: string;
}

/** Where a reader begins who comes to a page, or back to the feed: from the newer one at the end, from the older one at the start. */
export const landing = signal<'start' | 'end'>('end');

/** The page that is read instead of the feed; null for the feed itself. */
export const earlier = signal<Earlier | null>(null);

export function hold(): void {
  held.value ??= feed.peek();
}

export function resume(): void {
  landing.value = 'end';
  held.value = null;
  earlier.value = null;
}

export function togglePause(): void {
  if (held.peek()) resume();
  else hold();
}

/** The feed as the reader has it: as it stood at the pause, else as it runs. */
export const toldFeed = computed<Feed>(() => held.value ?? feed.value);

export function change(part: Partial<Filter>): void {
  filter.value = { ...filter.peek(), ...part };
}

/** Lines of the feed in order of arrival, heartbeats woven in where they are wanted. */
export const shownLines = computed<readonly Line[]>(() => {
  const page = earlier.value;
  if (page) return page.lines;
  const { lines, heartbeats } = toldFeed.value;
  const wanted = filter.value;
  const shown = lines.filter((line) => isShown(line, wanted));
  if (wanted.hidden.has('heartbeats')) return shown;
  return [...shown, ...heartbeats.filter((line) => isShown(line, wanted))].sort((a, b) => a.order - b.order);
});

/** How many lines came since the reader said stop. */
export const heldBack = computed(() => {
  const stopped = held.value;
  if (!stopped) return 0;
  return feed.value.lines.filter((line) => line.order >= stopped.added && isShown(line, filter.value)).length;
});

/** The sources and instruments that the feed has spoken of, for the filter's lists. */
export const spokenOf = computed(() => {
  const sources = new Set<string>();
  const names = new Set<string>();
  for (const line of [...feed.value.lines, ...(earlier.value?.lines ?? [])]) {
    if (line.kind !== 'notice') sources.add(line.source);
    if (line.instrument) names.add(line.instrument);
  }
  return { sources: [...sources].sort(), instruments: [...names].sort() };
});

/** The line whose detail is open. */
export const openLine = signal<Line | null>(null);

export function keepFilterInAddress(): void {
  effect(() => {
    const query = filterToQuery(filter.value);
    const wanted = query ? `?${query}` : location.pathname;
    if (location.search !== (query ? `?${query}` : '')) history.replaceState(null, '', wanted);
  });
}

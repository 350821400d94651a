/**
 * Pages of what was told before the feed's first line, as `GET /events/history` gives them: read without trust, told in the feed's words.
 *
 * A page that lacks a source is no page: what came after it would look whole and miss that source for good.
 */

import { FeedDraft, EMPTY_FEED, type Feed, type Line } from './feed';
import type { DecimalsOf } from './narrate';
import { oneLine } from './text';
import { isRecord, readEvent, readGap, readReset } from './wire';

export interface HistoryPage {
  /** Oldest first. */
  readonly lines: readonly Line[];
  /** Where the next page in the same direction begins; empty where there is none. */
  readonly next: string;
  /** Whether the journals go back to their beginnings, or only as far as they are kept. */
  readonly isKeptWhole: boolean;
  /** The times of its first and its last event; empty where it has none. */
  readonly since: string;
  readonly until: string;
}

/** A page, or null for what is none. */
export function readHistory(body: Readonly<Record<string, unknown>>, decimalsOf: DecimalsOf, at: number): HistoryPage | null {
  const { events, notices, sources, unavailable } = body;
  const next = oneLine(body['next'], 1024);
  if (!Array.isArray(events) || (Array.isArray(unavailable) && unavailable.length) || (!next && body['complete'] !== true)) return null;
  const draft = new FeedDraft(EMPTY_FEED, decimalsOf);
  for (const notice of Array.isArray(notices) ? notices : []) {
    if (!isRecord(notice)) continue;
    if (notice['type'] === 'gap') draft.gap(readGap(JSON.stringify(notice)), at);
    else if (notice['type'] === 'reset') draft.reset(readReset(JSON.stringify(notice)), at);
  }
  const read = events.map((one) => readEvent(one, '')).filter((event) => event !== null);
  for (const event of read) draft.event(event, at);
  if (read.length < events.length) draft.unreadable(events.length - read.length, at);
  const floors = isRecord(sources) ? Object.values(sources).map((one) => (isRecord(one) ? one['first_seq'] : 1)) : [];
  return {
    lines: draft.finish().lines,
    next: body['complete'] === true ? '' : next,
    isKeptWhole: floors.every((floor) => floor === 1 || floor === 0),
    since: read[0]?.ts ?? '',
    until: read.at(-1)?.ts ?? '',
  };
}

/** Where the page before a feed ends: all that its first line's id covers, but for that line's own event. Empty where nothing came before, or nobody can say. */
export function beginningOf(feed: Feed): string {
  const first = feed.lines.find(({ event }) => event?.id && event.seq !== null)?.event;
  if (!first) return '';
  const own = `${first.source}@${first.epoch}:`;
  const places = first.id.split(',').map((place) => (place.startsWith(own) ? `${own}${(first.seq ?? 1) - 1}` : place));
  return places.every((place) => place.endsWith(':0')) ? '' : places.join(',');
}

/** Whether `place` is behind `beginning` at every source; one of another history is, for nobody can compare them. */
export function reaches(place: string, beginning: string): boolean {
  const places = new Map(place.split(',').map((one) => [one.slice(0, one.lastIndexOf(':')), Number(one.slice(one.lastIndexOf(':') + 1))]));
  return beginning.split(',').every((one) => (places.get(one.slice(0, one.lastIndexOf(':'))) ?? Infinity) >= Number(one.slice(one.lastIndexOf(':') + 1)));
}

/** Pages as one run of lines, the oldest first; numbered below zero, so that none is taken for a line of the feed. */
export function joined(pages: readonly (readonly Line[])[]): Line[] {
  const lines = pages.flat();
  return lines.map((line, i) => ({ ...line, order: i - lines.length }));
}

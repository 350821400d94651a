/**
 * The narration feed: which lines there are, in which order.
 *
 * Lines stand in the order they arrived (per source that is journal order). An event already told is not told again; a hole that the stream
 * did not announce is announced here, because a feed that looks whole must be whole. The newest LINES_MAX stay; heartbeats have their own
 * few, so that a night of them cannot push the day's orders out.
 */

import { age } from './format';
import type { IconName } from './icons';
import { type DecimalsOf, type Part, tell, type Tone, usualDecimals } from './narrate';
import { type ArenaEvent, type Gap, instrumentOf, orderIdOf, type Reset } from './wire';

/** The first version's limit, kept: what the page shows. */
export const LINES_MAX = 500;
/** Five minutes of them: enough to see the pulse. */
export const HEARTBEATS_MAX = 60;

export interface Line {
  /** Order of arrival on this page, rising, never used twice: what the view keys its rows by. */
  readonly order: number;
  /** RFC 3339, server time; for rows of the page itself the browser's. */
  readonly ts: string;
  readonly kind: 'event' | 'rick' | 'heartbeat' | 'notice';
  readonly icon: IconName;
  readonly tone: Tone;
  readonly parts: readonly Part[];
  readonly source: string;
  readonly type: string;
  readonly instrument: string;
  readonly orderId: string;
  readonly event: ArenaEvent | null;
}

interface Heard {
  readonly epoch: string;
  readonly seq: number;
}

export interface Feed {
  readonly lines: readonly Line[];
  readonly heartbeats: readonly Line[];
  /** The highest sequence number told, by source. */
  readonly heard: ReadonlyMap<string, Heard>;
  /** How many lines were ever added: the next line's order. */
  readonly added: number;
}

export const EMPTY_FEED: Feed = { lines: [], heartbeats: [], heard: new Map(), added: 0 };

/** A feed being changed by one batch; `finish` cuts it to size once, however large the batch was. */
export class FeedDraft {
  private readonly lines: Line[];
  private readonly heartbeats: Line[];
  private readonly heard: Map<string, Heard>;
  private added: number;
  private readonly before: Feed;
  private readonly decimalsOf: DecimalsOf;

  constructor(feed: Feed, decimalsOf: DecimalsOf = usualDecimals) {
    this.before = feed;
    this.decimalsOf = decimalsOf;
    this.lines = [...feed.lines];
    this.heartbeats = [...feed.heartbeats];
    this.heard = new Map(feed.heard);
    this.added = feed.added;
  }

  /** Tell `event`, unless it was told. Returns whether it was new. */
  event(event: ArenaEvent, at: number): boolean {
    if (event.epoch !== null && event.seq !== null) {
      const heard = this.heard.get(event.source);
      if (heard?.epoch === event.epoch) {
        if (event.seq <= heard.seq) return false;
        if (event.seq > heard.seq + 1) this.gap({ source: event.source, from: heard.seq + 1, to: event.seq - 1 }, at);
      }
      this.heard.set(event.source, { epoch: event.epoch, seq: event.seq });
    }
    const line = lineOf(event, this.added, this.decimalsOf);
    this.added += 1;
    (line.kind === 'heartbeat' ? this.heartbeats : this.lines).push(line);
    return true;
  }

  /** Say what could not be given, and take the source's place as behind it. */
  gap(gap: Gap, at: number): void {
    const { source, from, to } = gap;
    const heard = this.heard.get(source);
    if (heard && to !== null && to > heard.seq) this.heard.set(source, { epoch: heard.epoch, seq: to });
    const range = from !== null && to !== null ? `events ${from} to ${to} of ${source} could not be given` : `events of ${source} could not be given`;
    const count = from !== null && to !== null && to >= from ? `${to - from + 1} missing` : '';
    this.notice('gap', 'warning', at, source, [
      { role: 'label', text: 'Gap' },
      { role: 'text', text: range },
      { role: 'extra', text: count && `| ${count}` },
    ]);
  }

  /** A source began anew, or our place could not be used. What was told stays told: a new history has a new epoch, so nothing is forgotten here. */
  reset(reset: Reset, at: number): void {
    const whose = reset.source === '*' ? 'this page’s place in the stream could not be used' : `the history of ${reset.source} begins anew`;
    this.notice('restart', 'warning', at, reset.source, [
      { role: 'label', text: 'Reset' },
      { role: 'text', text: whose },
      { role: 'extra', text: reset.reason && `| ${reset.reason}` },
    ]);
  }

  /** The stream is back after `downMs`; `missed` events were told late, above this row. */
  recovered(missed: number, downMs: number, at: number): void {
    this.notice('link', 'good', at, 'page', [
      { role: 'label', text: 'Reconnected' },
      { role: 'text', text: `after ${age(downMs)}: caught up, ${missed} missed` },
    ]);
  }

  /** What arrived and could not be read, said once per batch. */
  unreadable(count: number, at: number): void {
    this.notice('gap', 'warning', at, 'page', [
      { role: 'label', text: 'Unreadable' },
      { role: 'text', text: count === 1 ? 'one message could not be read' : `${count} messages could not be read` },
    ]);
  }

  private notice(icon: IconName, tone: Tone, at: number, source: string, parts: readonly Part[]): void {
    const order = this.added;
    this.added += 1;
    this.lines.push({
      order,
      ts: new Date(at).toISOString(),
      kind: 'notice',
      icon,
      tone,
      parts: parts.filter((part) => part.text !== ''),
      source,
      type: icon === 'link' ? 'connection' : icon === 'restart' ? 'reset' : 'gap',
      instrument: '',
      orderId: '',
      event: null,
    });
  }

  finish(): Feed {
    if (this.added === this.before.added) return this.before;
    const surplus = Math.max(0, this.lines.length - LINES_MAX);
    return {
      lines: surplus ? this.lines.slice(surplus) : this.lines,
      heartbeats: this.heartbeats.slice(-HEARTBEATS_MAX),
      heard: this.heard,
      added: this.added,
    };
  }
}

function lineOf(event: ArenaEvent, order: number, decimalsOf: DecimalsOf): Line {
  const kind = event.type === 'narration' ? 'rick' : event.type === 'heartbeat' ? 'heartbeat' : 'event';
  return {
    ...tell(event, decimalsOf),
    order,
    ts: event.ts,
    kind,
    source: event.source,
    type: event.type,
    instrument: instrumentOf(event.payload),
    orderId: orderIdOf(event),
    event,
  };
}

/** The same feed in words that know the instruments' decimals: told anew when the list of instruments arrives. */
export function retell(feed: Feed, decimalsOf: DecimalsOf): Feed {
  if (feed.lines.length === 0) return feed;
  return { ...feed, lines: feed.lines.map((line) => (line.event ? { ...line, ...tell(line.event, decimalsOf) } : line)) };
}

/** The words of a line as one text, without its time: what is searched and copied. */
export function wordsOf(line: Line): string {
  return line.parts.map((part) => part.text).join(' ');
}

/** The lines added since the feed had told `since` of them: found from the end, for most feeds have none. */
export function linesSince(feed: Feed, since: number): readonly Line[] {
  let first = feed.lines.length;
  while (first > 0 && (feed.lines[first - 1]?.order ?? -1) >= since) first -= 1;
  return feed.lines.slice(first);
}

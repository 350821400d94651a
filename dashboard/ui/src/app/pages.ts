/**
 * What lies before the newest page of orders, fills and trades, a page at a time.
 *
 * The newest page belongs to the desk and moves on by itself; an older one stands still and is asked for again as often as the desk is. One
 * page is on the screen, never all of them: a thousand rows would be compared with every price.
 */

import { type Signal, signal } from '@preact/signals';
import { type Cursors, type Desk, type Fill, newestFirst, nextOf, type Order, type PagedName, readFill, readList, readOrder, readTrade, type Trade } from '../core/desk';
import { get } from './api';
import { desk } from './store';

const PAGE_ROWS = 100;

export interface Page<T> {
  /** The newest is the first; this is the second or a later one. */
  readonly number: number;
  readonly rows: readonly T[];
  /** Where it begins, and where the one after it does: by broker, `''` for a list of all of them. */
  readonly from: Cursors;
  readonly next: Cursors;
  /** The brokers whose rows are missing. */
  readonly without: readonly string[];
  readonly newer: Page<T> | null;
}

export class Pages<T extends Desk[PagedName]['list'][number]> {
  /** The page that is shown; null for the desk's own, the newest. */
  readonly shown: Signal<Page<T> | null> = signal(null);
  readonly isAsking = signal(false);
  /** Why the page that was asked for is not there. */
  readonly fault = signal('');

  constructor(
    private readonly name: PagedName,
    private readonly read: (entry: unknown, broker: string) => T | null,
  ) {}

  newest(): void {
    this.show(null);
  }

  newer(): void {
    this.show(this.shown.peek()?.newer ?? null);
  }

  async older(): Promise<void> {
    const newer = this.shown.peek();
    const { next, unavailable } = desk.peek()[this.name];
    const from = newer?.next ?? next;
    if (!from?.size || this.isAsking.peek()) return;
    this.isAsking.value = true;
    const asked = await this.ask(from);
    this.isAsking.value = false;
    if (this.shown.peek() !== newer) return;
    // Who did not answer for the newest page has no place in its `next`, and is missing from all behind it.
    const without = newer?.without ?? unavailable;
    if (asked) this.show({ number: (newer?.number ?? 1) + 1, ...asked, from, without, newer });
    else this.fault.value = 'The older ones cannot be asked for now.';
  }

  /** Ask again for the page that is shown: an order on it may have moved on. */
  async refresh(): Promise<void> {
    const page = this.shown.peek();
    if (!page || this.isAsking.peek()) return;
    const asked = await this.ask(page.from);
    // Whoever has gone on meanwhile waits for the next page: this one, put up as a new one, would look as if they had left.
    if (this.shown.peek() !== page || this.isAsking.peek()) return;
    if (asked) this.show({ ...page, ...asked });
    else this.fault.value = 'This page cannot be asked for now: what stands here may be old.';
  }

  private show(page: Page<T> | null): void {
    this.shown.value = page;
    this.fault.value = '';
  }

  private async ask(from: Cursors): Promise<{ rows: T[]; next: Cursors } | null> {
    const sources = [...from];
    const answers = await Promise.all(sources.map(([broker, after]) => get(`${pathOf(this.name, broker)}?limit=${PAGE_ROWS}&after=${encodeURIComponent(after)}`)));
    const rows: T[] = [];
    const next = new Map<string, string>();
    for (const [i, answer] of answers.entries()) {
      const broker = sources[i]?.[0] ?? '';
      // A page without one broker's part would look whole.
      if (answer.kind !== 'ok' || (Array.isArray(answer.body['unavailable']) && answer.body['unavailable'].length)) return null;
      rows.push(...readList(answer.body, this.name, (entry) => this.read(entry, broker)));
      for (const [key, value] of nextOf(answer.body, broker)) next.set(key, value);
    }
    return { rows: this.name === 'orders' ? rows : (newestFirst(rows as (Fill | Trade)[]) as T[]), next };
  }
}

/** Where a list is asked for: one broker's, or (`''`) that of all. */
export function pathOf(name: string, broker: string): string {
  return broker ? `/api/arena/brokers/${encodeURIComponent(broker)}/${name}` : `/api/arena/${name}`;
}

export const orderPages: Pages<Order> = new Pages('orders', readOrder);
export const fillPages: Pages<Fill> = new Pages('fills', readFill);
export const tradePages: Pages<Trade> = new Pages('trades', readTrade);

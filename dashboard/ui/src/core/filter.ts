/** What of the feed is shown. A filter hides lines, it never drops them; it lives in the page's address, so that a view can be linked to. */

import { wordsOf, type Line } from './feed';

/** The feed's kinds of lines as a reader thinks of them. */
export const CATEGORIES = ['placed', 'fills', 'cancels', 'closes', 'rick', 'desk', 'heartbeats'] as const;
export type Category = (typeof CATEGORIES)[number];

export const CATEGORY_NAMES: Readonly<Record<Category, string>> = {
  placed: 'Placed',
  fills: 'Fills',
  cancels: 'Cancels',
  closes: 'Closed',
  rick: 'Rick',
  desk: 'Desk',
  heartbeats: 'Heartbeats',
};

const BY_TYPE: ReadonlyMap<string, Category> = new Map([
  ['oco_placed', 'placed'],
  ['order_modified', 'placed'],
  ['order_filled', 'fills'],
  ['order_partially_filled', 'fills'],
  ['order_cancelled', 'cancels'],
  ['order_rejected', 'cancels'],
  ['order_unknown', 'placed'],
  ['order_resolved', 'placed'],
  ['bracket_closed', 'closes'],
  ['narration', 'rick'],
  ['heartbeat', 'heartbeats'],
]);

/** Everything about the desk itself (states, feeds, alarms) and whatever nobody has sorted yet. */
export function categoryOf(line: Line): Category {
  return BY_TYPE.get(line.type) ?? 'desk';
}

export interface Filter {
  readonly text: string;
  readonly hidden: ReadonlySet<Category>;
  readonly source: string;
  readonly instrument: string;
}

export const NO_FILTER: Filter = { text: '', hidden: new Set(['heartbeats']), source: '', instrument: '' };

/** Whether anything but heartbeats is hidden. */
export function isFiltering(filter: Filter): boolean {
  return filter.text !== '' || filter.source !== '' || filter.instrument !== '' || [...filter.hidden].some((one) => one !== 'heartbeats');
}

/** Rows that say the feed itself is not whole are shown whatever the filter: to hide them would be to lie. */
export function isShown(line: Line, filter: Filter): boolean {
  if (line.kind === 'notice') return true;
  if (filter.hidden.has(categoryOf(line))) return false;
  if (filter.source && line.source !== filter.source) return false;
  if (filter.instrument && line.instrument !== filter.instrument) return false;
  if (!filter.text) return true;
  const wanted = filter.text.toLowerCase();
  return wordsOf(line).toLowerCase().includes(wanted) || line.orderId.toLowerCase().includes(wanted);
}

/** `q=paper-oanda-1&hide=placed,heartbeats&source=oanda`; empty for the filter that everybody starts with. */
export function filterToQuery(filter: Filter): string {
  const query = new URLSearchParams();
  if (filter.text) query.set('q', filter.text);
  if (filter.source) query.set('source', filter.source);
  if (filter.instrument) query.set('instrument', filter.instrument);
  const hidden = CATEGORIES.filter((one) => filter.hidden.has(one)).join(',');
  if (hidden !== 'heartbeats') query.set('hide', hidden || 'none');
  return query.toString();
}

export function filterFromQuery(text: string): Filter {
  const query = new URLSearchParams(text);
  const hide = query.get('hide');
  const short = (name: string): string => (query.get(name) ?? '').slice(0, 100);
  return {
    text: short('q'),
    source: short('source'),
    instrument: short('instrument'),
    hidden: hide === null ? NO_FILTER.hidden : new Set(CATEGORIES.filter((one) => hide.split(',').includes(one))),
  };
}

/** Types that are told as the desk's own: states, feeds, alarms, histories. */
const DESK_TYPES = [
  'trading_state_changed',
  'protection_lost',
  'protection_restored',
  'feed_stale',
  'feed_recovered',
  'reconciled',
  'clock_stepped',
  'source_reset',
  'paper_reset',
] as const;

/** The filter as the server's exports understand it; empty for everything. Heartbeats are not journalled, so they are in no export. */
export function filterToExport(filter: Filter): URLSearchParams {
  const query = new URLSearchParams();
  const hidden = CATEGORIES.filter((one) => one !== 'heartbeats' && filter.hidden.has(one));
  if (hidden.length) {
    const types = [...BY_TYPE].filter(([, category]) => category !== 'heartbeats' && !filter.hidden.has(category)).map(([type]) => type);
    if (!filter.hidden.has('desk')) types.push(...DESK_TYPES);
    query.set('types', types.join(','));
  }
  if (filter.source) query.set('sources', filter.source);
  if (filter.instrument) query.set('instruments', filter.instrument);
  if (filter.text) query.set('text', filter.text);
  return query;
}

/** The browser tab: open positions and fills not yet seen, in its title and on its icon, for when the page is behind others. */

import { effect } from '@preact/signals';
import { linesSince } from '../core/feed';
import { desk, feed, mode } from './store';

const NAME = 'RICK Trading Dashboard';

export function keepTitle(): void {
  let seen = 0;
  const look = (): void => {
    if (!document.hidden) seen = feed.peek().added;
  };
  effect(() => {
    const { added } = feed.value;
    const open = desk.value.positions.list.length;
    const isLive = mode.value === 'live';
    if (!document.hidden) seen = added;
    const unread = linesSince(feed.peek(), seen).filter(({ type }) => type === 'order_filled' || type === 'order_partially_filled').length;
    show(open, unread, isLive);
  });
  document.addEventListener('visibilitychange', () => {
    look();
    if (!document.hidden) show(desk.peek().positions.list.length, 0, mode.peek() === 'live');
  });
}

function show(open: number, unread: number, isLive: boolean): void {
  const facts = [isLive ? 'LIVE' : '', unread ? `${unread} new fill${unread === 1 ? '' : 's'}` : '', open ? `${open} open` : ''].filter(Boolean);
  const title = facts.length ? `${facts.join(', ')} · ${NAME}` : NAME;
  if (document.title === title) return;
  document.title = title;
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon) icon.href = unread || open ? badge(unread || open, unread > 0, isLive) : '/icon.svg';
}

/** The icon with a number on it: filled for what is new, quiet for what is open. */
function badge(count: number, isNew: boolean, isLive: boolean): string {
  const text = count > 99 ? '99' : String(count);
  const back = isLive ? '#a85b00' : '#14202e';
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="${isNew ? '#3ddc97' : back}"/><text x="16" y="23" font-family="sans-serif" font-size="${text.length > 1 ? 18 : 21}" font-weight="700" text-anchor="middle" fill="${isNew ? '#06140d' : '#e8eef5'}">${text}</text></svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

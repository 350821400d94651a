/**
 * The keyboard. Single keys move and show; none sends, changes or closes anything. In a field they are what they are: letters.
 */

import { dialog, openDialog } from './dialogs';
import { togglePause } from './feed-view';
import { bookTab } from './settings';

interface Key {
  readonly keys: string;
  readonly does: string;
  readonly run?: () => void;
}

const focus = (selector: string): void => {
  const element = document.querySelector<HTMLElement>(selector);
  element?.focus();
  element?.scrollIntoView({ block: 'nearest' });
};

function showTab(tab: typeof bookTab.value): void {
  bookTab.value = tab;
  requestAnimationFrame(() => focus(`#tab-${tab}`));
}

function focusSide(side: string): void {
  const radio = document.querySelector<HTMLInputElement>(`input[name="side"][value="${side}"]`);
  radio?.click();
  focus('#ticket-units');
}

/** Drawing waits for the end of the current task only: the field is there before the next key is, and gets it. */
async function focusFilter(): Promise<void> {
  if (!document.getElementById('feed-filter-text')) document.querySelector<HTMLElement>('[aria-controls="feed-filter"]')?.click();
  for (let turn = 0; turn < 10 && !document.getElementById('feed-filter-text'); turn += 1) await Promise.resolve();
  focus('#feed-filter-text');
}

function enterFeed(): void {
  const buttons = document.querySelectorAll<HTMLElement>('#narration-feed button.line-time');
  const last = buttons[buttons.length - 1];
  last?.focus();
}

export const KEYS: readonly Key[] = [
  { keys: '?', does: 'these keys', run: () => openDialog('help') },
  { keys: '/', does: 'filter the narration', run: () => void focusFilter() },
  { keys: 'p', does: 'pause or resume the narration', run: togglePause },
  { keys: 'j k', does: 'next and previous line (arrows too)' },
  { keys: 'Enter', does: 'open the line' },
  { keys: 'b', does: 'ticket: buy', run: () => focusSide('BUY') },
  { keys: 's', does: 'ticket: sell', run: () => focusSide('SELL') },
  { keys: 'g p', does: 'positions', run: () => showTab('positions') },
  { keys: 'g o', does: 'orders', run: () => showTab('orders') },
  { keys: 'g f', does: 'fills', run: () => showTab('fills') },
  { keys: 'g t', does: 'closed trades', run: () => showTab('trades') },
  { keys: 'Esc', does: 'close what is open' },
];

/** How long after `g` its second key may come. */
const PAIR_MS = 1_200;

export function listenToKeys(): void {
  let first = '';
  let firstAt = 0;
  document.addEventListener('keydown', (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || dialog.peek() || document.querySelector('dialog[open]')) return;
    const target = event.target as HTMLElement;
    if (target.closest('input:not([type=radio]):not([type=checkbox]), select, textarea')) {
      if (event.key === 'Escape') target.blur();
      return;
    }
    const pair = first && event.timeStamp - firstAt < PAIR_MS ? `${first} ${event.key}` : '';
    first = '';
    if (event.key === 'g') {
      first = 'g';
      firstAt = event.timeStamp;
      return;
    }
    const found = KEYS.find(({ keys }) => keys === pair) ?? KEYS.find(({ keys }) => keys === event.key);
    if (found?.run) {
      event.preventDefault();
      found.run();
    } else if ((event.key === 'j' || event.key === 'k') && !target.closest('#narration-feed')) {
      event.preventDefault();
      enterFeed();
    }
  });
}

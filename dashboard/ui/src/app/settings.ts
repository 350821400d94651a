/**
 * What the reader chose, kept in this browser only. A setting that cannot be read (an older page's, somebody's typo) is its default.
 * Where storage is refused (private windows of some browsers) the page works and forgets.
 */

import { effect, type Signal, signal } from '@preact/signals';
import { type Alert, ALERTS } from '../core/alerts';
import { usableZone } from '../core/format';

const PREFIX = 'arena.';

function stored<T>(name: string, initial: T, read: (value: unknown) => T | null): Signal<T> {
  const setting = signal(initial);
  try {
    const text = localStorage.getItem(PREFIX + name);
    const value = text === null ? null : read(JSON.parse(text));
    if (value !== null) setting.value = value;
  } catch {
    // Not readable: the default stands.
  }
  let first = true;
  effect(() => {
    const text = JSON.stringify(setting.value);
    if (first) {
      first = false;
      return;
    }
    try {
      localStorage.setItem(PREFIX + name, text);
    } catch {
      // Full or refused: kept for this visit.
    }
  });
  return setting;
}

function oneOf<T extends string>(...values: readonly T[]): (value: unknown) => T | null {
  return (value) => values.find((one) => one === value) ?? null;
}

const flag = (value: unknown): boolean | null => (typeof value === 'boolean' ? value : null);
const name = (value: unknown): string | null => (typeof value === 'string' && value.length <= 60 ? value : null);

const alerts = (value: unknown): readonly Alert[] | null => (Array.isArray(value) ? ALERTS.filter((alert) => value.includes(alert)) : null);
const percent = (value: unknown): number | null => (typeof value === 'number' && value >= 0 && value <= 100 ? value : null);

export const theme = stored('theme', 'system', oneOf('system', 'dark', 'light'));
/** Up and down: green and red, the other way round (as in East Asia), or blue and orange. */
export const palette = stored('palette', 'green-red', oneOf('green-red', 'red-green', 'blue-orange'));
/** `UTC`, `local`, or a name of the zone database. */
export const zoneSetting = stored('zone', 'UTC', name);
/** When a change asks before it is sent: always, where it cannot be taken back, or (one-click) only where all goes at once. Live always asks. */
export const confirmLevel = stored('confirm', 'careful', oneOf('always', 'careful', 'one-click'));
export const selectedInstrument = stored('instrument', 'EUR_USD', name);
export const granularity = stored('granularity', 'M1', oneOf('S5', 'M1', 'M5', 'M15', 'H1', 'H4', 'D'));
/** Off at first: brackets far away press the candles flat. */
export const fitBrackets = stored('fit-brackets', false, flag);
export const bookTab = stored('book-tab', 'positions', oneOf('positions', 'orders', 'fills', 'trades'));

/** Kinds of events with a sound, and with a message of the browser; none at first. */
export const sounds = stored<readonly Alert[]>('sounds', [], alerts);
export const messages = stored<readonly Alert[]>('messages', [], alerts);
export const volume = stored('volume', 50, percent);

/** The zone that times are shown in. */
export function zoneOf(setting: string): string {
  return setting === 'local' ? Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC' : usableZone(setting);
}

/** Let the style sheet know: it reads the root's attributes. */
export function applyAppearance(): void {
  effect(() => {
    const { dataset } = document.documentElement;
    dataset['theme'] = theme.value;
    dataset['palette'] = palette.value;
  });
}

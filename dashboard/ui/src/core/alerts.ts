/** Which lines are worth a sound or a message of the browser, by kind. */

import type { Line } from './feed';

export const ALERTS = ['fill', 'close', 'cancel', 'refusal', 'alarm', 'connection'] as const;
export type Alert = (typeof ALERTS)[number];

export const ALERT_NAMES: Readonly<Record<Alert, string>> = {
  fill: 'Fill',
  close: 'Position closed',
  cancel: 'Cancel',
  refusal: 'Refusal',
  alarm: 'Alarm: lost stop, halted trading, stale feed',
  connection: 'Connection lost and back',
};

const BY_TYPE: ReadonlyMap<string, Alert> = new Map([
  ['order_filled', 'fill'],
  ['order_partially_filled', 'fill'],
  ['bracket_closed', 'close'],
  ['order_cancelled', 'cancel'],
  ['order_rejected', 'refusal'],
  ['order_unknown', 'refusal'],
  ['protection_lost', 'alarm'],
  ['trading_state_changed', 'alarm'],
  ['feed_stale', 'alarm'],
  ['clock_stepped', 'alarm'],
  ['connection', 'connection'],
  ['gap', 'alarm'],
]);

export function alertOf(line: Line): Alert | null {
  return BY_TYPE.get(line.type) ?? null;
}

/**
 * The lines of a batch that alert: one of each kind, the newest, so that a burst of fills is one sound. The cancel of a sibling leg follows every
 * fill of an exit and is no news of its own.
 */
export function alertsOf(lines: readonly Line[]): Map<Alert, Line> {
  const found = new Map<Alert, Line>();
  for (const line of lines) {
    const alert = alertOf(line);
    if (!alert || (alert === 'cancel' && line.event?.payload['reason'] === 'oco_sibling')) continue;
    found.set(alert, line);
  }
  return found;
}

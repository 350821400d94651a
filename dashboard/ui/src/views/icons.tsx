/**
 * The page's drawings, 16 × 16, stroked in the text's colour.
 *
 * In the feed the character stays in the text (so that it is found and copied) but unseen; the drawing stands over it and a name is read out:
 * emoji fonts are missing on many machines and differ on the rest.
 */

import type { JSX } from 'preact';
import { ICONS, type IconName } from '../core/icons';

const PATHS: Record<IconName | UiIcon, string> = {
  placed: 'M3 13V8m5 5V3m5 10V6',
  filled: 'M3 8.5 6.5 12 13 4.5',
  cancelled: 'm4 4 8 8m0-8-8 8',
  heartbeat: 'M1.5 8.5h3l1.8-4.5 3 8 1.7-3.5h3.5',
  rejected: 'M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11ZM4.2 4.2l7.6 7.6',
  modified: 'm3 13 .6-2.8 7-7 2.2 2.2-7 7L3 13Z',
  closed: 'M4 4h8v8H4z',
  unknown: 'M5.5 6a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.8-1.1 1.6M8 12.6v.1',
  alarm: 'M8 2.5 14.5 13.5h-13L8 2.5ZM8 6.5v3.4m0 1.8v.1',
  shield: 'M8 2 13 4v4c0 3-2.2 5-5 6-2.8-1-5-3-5-6V4l5-2Z',
  power: 'M8 2v5.5M4.6 4.3a5 5 0 1 0 6.8 0',
  feed: 'M1.5 8c1.6-5 3.2-5 4.3 0s2.8 5 4.3 0 2.7-3.5 4.4 0',
  books: 'M2.5 5.5h9.5m-2.5-2.5 2.5 2.5L9.5 8M13.5 10.5H4m2.5-2.5L4 10.5 6.5 13',
  restart: 'M3.5 8a4.7 4.7 0 1 0 1.6-3.5M3.2 2.6l1.7 2-.1.1-2 1.3',
  gap: 'M3 8h.1M8 8h.1M13 8h.1',
  link: 'M9 1.5 4 9h4l-1 5.5L12 7H8l1-5.5Z',
  rick: 'M3.5 11.5V8.2c0-2 .9-3.4 3-4.2m2 7.5V8.2c0-2 .9-3.4 3-4.2M3.5 8.5h2.5v3H3.5zm5 0H11v3H8.5z',
  other: 'M8 8h.1',
  close: 'm4 4 8 8m0-8-8 8',
  menu: 'M2.5 4.5h11m-11 3.5h11m-11 3.5h11',
  pause: 'M5.5 3.5v9m5-9v9',
  play: 'm5 3 7.5 5L5 13V3Z',
  down: 'M8 3v10m-4-4 4 4 4-4',
  up: 'M8 13V3M4 7l4-4 4 4',
  copy: 'M5.5 5.5h8v8h-8zM3.5 10.5h-1v-8h8v1',
  filter: 'M2 3.5h12L9.5 9v4.5l-3-1.5V9L2 3.5Z',
  gear: 'M8 5.5a2.5 2.5 0 1 1 0 5 2.5 2.5 0 0 1 0-5ZM8 1.5v2m0 9v2M1.5 8h2m9 0h2M3.4 3.4l1.4 1.4m6.4 6.4 1.4 1.4m0-9.2-1.4 1.4m-6.4 6.4-1.4 1.4',
  keyboard: 'M1.5 4h13v8h-13zM4 6.5h.1M6.6 6.5h.1M9.3 6.5h.1M12 6.5h.1M5 9.5h6',
  user: 'M8 2.5a2.7 2.7 0 1 1 0 5.4 2.7 2.7 0 0 1 0-5.4ZM2.8 13.8c.6-2.7 2.6-4 5.2-4s4.6 1.3 5.2 4',
  chart: 'M2.5 13.5h11M4.5 11V8m3.5 3V3.500m3.5 7.500V6',
  save: 'M8 2.500v7.500m-3-3 3 3 3-3M3 13.500h10',
  external: 'M6.5 3.5h-4v10h10v-4M9 2.5h4.5V7M13.5 2.5 7.5 8.5',
  fit: 'M2.5 3h11m-11 10h11M8 5v6M6.2 6.6 8 4.8l1.8 1.8M6.2 9.4 8 11.2l1.8-1.8',
};

export type UiIcon =
  'close' | 'menu' | 'pause' | 'play' | 'down' | 'up' | 'copy' | 'filter' | 'gear' | 'keyboard' | 'user' | 'external' | 'fit' | 'chart' | 'save';

const ROUND: ReadonlySet<string> = new Set(['gap', 'other']);

/** A drawing beside a text that says the same: not read out. */
export function Drawing({ name, size = 16 }: { name: IconName | UiIcon; size?: number }): JSX.Element {
  return (
    <svg class="drawing" width={size} height={size} viewBox="0 0 16 16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} stroke-width={ROUND.has(name) ? 2.6 : 1.5} />
    </svg>
  );
}

/** A feed line's icon: its character in the text, its drawing for the eye, its name for the ear. */
export function LineIcon({ name }: { name: IconName }): JSX.Element {
  const { glyph, label } = ICONS[name];
  return (
    <span class="line-icon" role="img" aria-label={label} data-icon={name}>
      <span class="line-icon-glyph">{glyph}</span>
      <Drawing name={name} size={14} />
    </span>
  );
}

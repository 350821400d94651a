/** The feed's icons: the character that stands in the text (and is copied with it), and the name that a screen reader says. */

export const ICONS = {
  placed: { glyph: '📊', label: 'Order placed' },
  filled: { glyph: '✓', label: 'Filled' },
  cancelled: { glyph: '✕', label: 'Cancelled' },
  heartbeat: { glyph: '💓', label: 'Heartbeat' },
  rejected: { glyph: '⊘', label: 'Refused' },
  modified: { glyph: '✎', label: 'Changed' },
  closed: { glyph: '■', label: 'Closed' },
  unknown: { glyph: '?', label: 'Unknown' },
  alarm: { glyph: '⚠', label: 'Alarm' },
  shield: { glyph: '⛨', label: 'Protected' },
  power: { glyph: '⏻', label: 'Trading state' },
  feed: { glyph: '∿', label: 'Price feed' },
  books: { glyph: '⇄', label: 'Books' },
  restart: { glyph: '↺', label: 'Reset' },
  gap: { glyph: '⋯', label: 'Missing events' },
  link: { glyph: '↯', label: 'Connection' },
  rick: { glyph: '❝', label: 'Rick says' },
  other: { glyph: '•', label: 'Event' },
} as const;

export type IconName = keyof typeof ICONS;

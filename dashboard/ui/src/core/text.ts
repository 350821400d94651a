/**
 * Text from elsewhere, made safe to show. It only ever becomes a text node, so markup is harmless; what is left are characters that
 * lie about order (bidirectional overrides), break a line that must be one line, or are too many.
 */

/** Long enough for any name, id or sentence of ours; the rest is cut with an ellipsis. */
const TEXT_MAX = 400;

// C0 and C1 controls, line and paragraph separators, bidirectional marks, embeddings, overrides and isolates, byte order mark.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+/g;

/** One line of at most `max` characters. Numbers and booleans are spelt; objects and nothing become empty text. */
export function oneLine(value: unknown, max = TEXT_MAX): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  if (typeof value !== 'string') return '';
  const cleaned = value.replace(UNSEEN, ' ').trim();
  return cleaned.length <= max ? cleaned : `${cleaned.slice(0, max - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}

/** `stop_loss_on_fill` → `stop loss on fill`. */
export function words(value: unknown): string {
  return oneLine(value, 80).replaceAll('_', ' ').toLowerCase();
}

/** The first letter large. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

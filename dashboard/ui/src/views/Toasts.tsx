/** Answers to what the reader did, in a corner, read out as they come. */

import type { JSX } from 'preact';
import { dismiss, toasts } from '../app/toasts';
import { Drawing } from './icons';

const ICONS = { done: 'filled', refused: 'rejected', unknown: 'unknown' } as const;

export function Toasts(): JSX.Element {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, kind, text }) => (
        <div key={id} class="toast" data-kind={kind}>
          <Drawing name={ICONS[kind]} />
          <span>{text}</span>
          <button type="button" class="tool tool-icon" aria-label="Dismiss" onClick={() => dismiss(id)}>
            <Drawing name="close" size={12} />
          </button>
        </div>
      ))}
    </div>
  );
}

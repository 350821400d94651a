/** Short answers to what the reader did: done, refused and why, or not known. They stay until read when something went wrong. */

import { signal } from '@preact/signals';
import type { Answer } from './api';

export interface Toast {
  readonly id: number;
  readonly kind: 'done' | 'refused' | 'unknown';
  readonly text: string;
}

const DONE_MS = 6_000;

export const toasts = signal<readonly Toast[]>([]);
let next = 0;

export function toast(kind: Toast['kind'], text: string): void {
  const id = next++;
  toasts.value = [...toasts.peek().slice(-3), { id, kind, text }];
  if (kind === 'done') setTimeout(() => dismiss(id), DONE_MS);
}

export function dismiss(id: number): void {
  toasts.value = toasts.peek().filter((one) => one.id !== id);
}

/** Tell what came of a change; `what` names it. Returns whether it was done. */
export function tellAnswer(what: string, answer: Answer): boolean {
  if (answer.kind === 'ok') toast('done', `${what}: done.`);
  else if (answer.kind === 'unknown') toast('unknown', `${what}: it is not known yet whether this was done. ${answer.message}`);
  else if (answer.kind === 'refused') toast('refused', `${what}: ${answer.message} (${answer.code})`);
  else toast('refused', `${what}: ${answer.message}`);
  return answer.kind === 'ok';
}

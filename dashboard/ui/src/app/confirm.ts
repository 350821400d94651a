/** A question before something that moves money: one at a time, answered by a person, never by a stray key. */

import { signal } from '@preact/signals';

export interface Question {
  readonly title: string;
  readonly lines: readonly string[];
  /** The words on the button that does it: what it does, never just OK. */
  readonly action: string;
  readonly isDanger: boolean;
  readonly isLive: boolean;
  /** Whether the answer must be held, not clicked: what ends everything at once. */
  readonly isHeld?: boolean;
}

export const question = signal<(Question & { answer(yes: boolean): void }) | null>(null);

/** True when the reader said yes. A question that is still open is answered with no. */
export function ask(asked: Question): Promise<boolean> {
  question.peek()?.answer(false);
  return new Promise((resolve) => {
    question.value = {
      ...asked,
      answer: (yes) => {
        question.value = null;
        resolve(yes);
      },
    };
  });
}

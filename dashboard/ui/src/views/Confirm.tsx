/** The question before a change. Focus starts on the way back, so that a hasty Enter does nothing. */

import type { JSX } from 'preact';
import { question } from '../app/confirm';
import { Dialog } from './Dialog';
import { HoldButton } from './HoldButton';

export function Confirm(): JSX.Element | null {
  const asked = question.value;
  if (!asked) return null;
  return (
    <Dialog title={asked.title} kind={asked.isLive ? 'live' : undefined} onClose={() => asked.answer(false)}>
      <div class="dialog-text">
        {asked.lines.map((line) => (
          <p key={line}>{line}</p>
        ))}
      </div>
      <footer class="dialog-foot">
        <button type="button" class="button" autofocus onClick={() => asked.answer(false)}>
          Keep things as they are
        </button>
        {asked.isHeld ? (
          <HoldButton label={`Hold: ${asked.action}`} disabled={false} onHeld={() => asked.answer(true)} />
        ) : (
          <button type="button" class="button" data-kind={asked.isDanger ? 'danger' : 'main'} onClick={() => asked.answer(true)}>
            {asked.action}
          </button>
        )}
      </footer>
    </Dialog>
  );
}

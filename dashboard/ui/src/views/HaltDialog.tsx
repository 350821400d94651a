/**
 * The kill switch. Held for a second and a half, by pointer or by key, so that nobody stops a desk by leaning on it; afterwards it says what is
 * still open, because stopping new orders closes nothing by itself.
 */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import type { Answer } from '../app/api';
import { closeDialog } from '../app/dialogs';
import { halt, resume } from '../app/orders';
import { session } from '../app/store';
import { brokers, loadDesk, loadSession } from '../app/sync';
import { allHalted } from '../core/session';
import { oneLine } from '../core/text';
import { isRecord } from '../core/wire';
import { Dialog } from './Dialog';
import { HoldButton } from './HoldButton';

export function HaltDialog(): JSX.Element {
  const known = session.value;
  const [flatten, setFlatten] = useState(false);
  const [told, setTold] = useState<readonly string[]>([]);
  const [isBusy, setBusy] = useState(false);
  const states = [...(known?.tradingStates ?? [])];
  const isAllHalted = known !== null && allHalted(known, brokers());
  const isSomeStopped = states.some(([, state]) => state !== 'ACTIVE');
  const isLive = known?.mode === 'live';

  const send = async (what: Promise<Answer>): Promise<void> => {
    setBusy(true);
    const answer = await what;
    setBusy(false);
    setTold(wordsOf(answer));
    void loadSession();
    loadDesk();
  };

  return (
    <Dialog title={isAllHalted ? 'Trading is stopped' : 'Stop trading'} kind={isLive ? 'live' : undefined} onClose={closeDialog}>
      <div class="dialog-text">
        {told.length > 0 ? (
          <ul class="told" role="status">
            {told.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        ) : (
          <>
            {isSomeStopped && (
              <p>
                {states.map(([name, state]) => `${name} is ${state}`).join(', ')}. Resuming lets orders in again; nothing that was cancelled comes back.
              </p>
            )}
            {!isAllHalted && <p>Stopping, at every broker: no new orders, and resting entries are cancelled. Stops and targets of open positions stay.</p>}
            <label class="check">
              <input type="checkbox" checked={flatten} onChange={(event) => setFlatten(event.currentTarget.checked)} />
              {isAllHalted ? 'Close every position at the market' : 'Also close every position at the market'}
            </label>
          </>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" autofocus onClick={closeDialog}>
            {told.length ? 'Close' : 'Leave it'}
          </button>
          {told.length === 0 && isSomeStopped && (
            <button type="button" class="button" data-kind={isAllHalted ? 'main' : undefined} disabled={isBusy} onClick={() => void send(resume())}>
              Resume trading
            </button>
          )}
          {told.length === 0 && (flatten || !isAllHalted) && (
            <HoldButton
              label={isAllHalted ? 'Hold to close all' : flatten ? 'Hold to stop and close all' : 'Hold to stop'}
              disabled={isBusy}
              onHeld={() => void send(halt(flatten))}
            />
          )}
        </footer>
      </div>
    </Dialog>
  );
}

/** What each broker did, and what is still open there. */
function wordsOf(answer: Answer): string[] {
  if (answer.kind === 'unknown') return [`It is not known whether trading is stopped. ${answer.message}`];
  if (answer.kind !== 'ok')
    return [answer.kind === 'refused' && answer.status === 404 ? 'This arena does not offer this yet. On the host: arena halt.' : answer.message];
  const { brokers: done, failed } = answer.body;
  const lines = Object.entries(isRecord(done) ? done : {}).map(([name, state]) => {
    const said = isRecord(state) ? state : {};
    const open = [count(said['open_positions'], 'position'), count(said['open_orders'], 'order')].filter(Boolean).join(' and ');
    return `${oneLine(name, 24)}: ${oneLine(said['state'], 16)}; ${open ? `still open: ${open}` : 'nothing is open'}`;
  });
  const failures = Object.entries(isRecord(failed) ? failed : {}).map(([name, code]) => `${oneLine(name, 24)} did not: ${oneLine(code, 60)}`);
  return [...lines, ...failures];
}

function count(value: unknown, what: string): string {
  return typeof value === 'number' && value > 0 ? `${value} ${what}${value === 1 ? '' : 's'}` : '';
}

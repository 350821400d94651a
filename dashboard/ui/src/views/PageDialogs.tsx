/** The page's own dialogs: programs, settings, keys, login. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { closeDialog, dialog } from '../app/dialogs';
import { KEYS } from '../app/keys';
import { logIn, logOut } from '../app/login';
import { connection, now, programs, session } from '../app/store';
import { age } from '../core/format';
import { healthOf, type Program } from '../core/programs';
import { Dialog } from './Dialog';
import { ExportDialog } from './ExportDialog';
import { HaltDialog } from './HaltDialog';
import { Performance } from './Performance';
import { SettingsDialog } from './SettingsDialog';

export function PageDialogs(): JSX.Element | null {
  switch (dialog.value) {
    case 'programs':
      return <ProgramsDialog />;
    case 'settings':
      return <SettingsDialog />;
    case 'help':
      return <HelpDialog />;
    case 'login':
      return <LoginDialog />;
    case 'export':
      return <ExportDialog />;
    case 'performance':
      return <Performance />;
    case 'halt':
      return <HaltDialog />;
    default:
      return null;
  }
}

function ProgramsDialog(): JSX.Element {
  const { status } = programs.value;
  return (
    <Dialog title="Programs" kind="wide" onClose={closeDialog}>
      <div class="dialog-text">
        {!status ? (
          <p class="empty">The dashboard has not said yet how its programs are.</p>
        ) : (
          <>
            {status.supervisor !== 'up' && (
              <p class="field-note">
                {status.supervisor === 'absent'
                  ? 'The programs were started by hand: no supervisor to ask for their states.'
                  : 'The supervisor does not answer.'}
              </p>
            )}
            {status.programs.map((program) => (
              <ProgramRow key={program.name} program={program} />
            ))}
          </>
        )}
      </div>
    </Dialog>
  );
}

function ProgramRow({ program }: { program: Program }): JSX.Element {
  const { name, state, uptimeS, ageMs, lag, log, status, tradingState } = program;
  const facts = [
    state || 'by hand',
    uptimeS === null ? '' : `up ${age(uptimeS * 1000)}`,
    ageMs === null ? '' : `heard ${age(ageMs)} ago`,
    status && status !== 'ok' ? status : '',
    tradingState,
    lag ? `${lag} events behind` : '',
  ];
  return (
    <details class="program">
      <summary>
        <span class="tile" data-health={healthOf(name, programs.value, connection.value.phase === 'live', now.value)}>
          <strong>{name}</strong>
        </span>
        <span class="program-facts">{facts.filter(Boolean).join(' · ')}</span>
      </summary>
      <pre tabIndex={0} aria-label={`Last log lines of ${name}`}>
        {log.length ? log.join('\n') : 'No log lines.'}
      </pre>
    </details>
  );
}

function HelpDialog(): JSX.Element {
  return (
    <Dialog title="Keys" onClose={closeDialog}>
      <div class="dialog-text">
        <dl class="keys">
          {KEYS.map(({ keys, does }) => (
            <div key={keys}>
              <dt>
                {keys.split(' ').map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <p class="field-note">No single key sends, changes or closes anything.</p>
        <p class="field-note">
          <a href="/docs">HTTP interface</a> · <a href="/third-party-licences.md">Third-party licences</a>
        </p>
      </div>
    </Dialog>
  );
}

function LoginDialog(): JSX.Element {
  const user = session.value?.user;
  const [fault, setFault] = useState('');
  const [isBusy, setBusy] = useState(false);
  if (user) {
    return (
      <Dialog title="Account" onClose={closeDialog}>
        <div class="dialog-text">
          <p>
            {user.email}, {user.role}
          </p>
          <p class="field-note">
            {session.value?.live.length ? `May trade live at ${session.value.live.join(', ')}.` : 'Paper only: no live grant.'}
          </p>
          <footer class="dialog-foot">
            <button type="button" class="button" onClick={() => void logOut().then(closeDialog)}>
              Log out
            </button>
          </footer>
        </div>
      </Dialog>
    );
  }
  const submit = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const data = new FormData(event.currentTarget as HTMLFormElement);
    setBusy(true);
    const said = await logIn(String(data.get('email') ?? ''), String(data.get('password') ?? ''));
    setBusy(false);
    setFault(said);
    if (said === '') closeDialog();
  };
  return (
    <Dialog title="Log in" onClose={closeDialog}>
      <form class="dialog-text" onSubmit={(event) => void submit(event)}>
        <label class="stacked">
          <span>Email</span>
          <input class="input" name="email" type="text" inputMode="email" autocomplete="username" required autofocus maxLength={255} />
        </label>
        <label class="stacked">
          <span>Password</span>
          <input class="input" name="password" type="password" autocomplete="current-password" required maxLength={256} />
        </label>
        <p class="field-fault" role="alert">
          {fault}
        </p>
        <p class="field-note">An account is made with the register call of the README, or with “arena user add”.</p>
        <footer class="dialog-foot">
          <button type="submit" class="button" data-kind="main" disabled={isBusy}>
            {isBusy ? 'Logging in …' : 'Log in'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

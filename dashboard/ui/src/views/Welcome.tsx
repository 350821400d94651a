/** What somebody sees who may not look around without a login. */

import type { JSX } from 'preact';
import { openDialog } from '../app/dialogs';
import { session } from '../app/store';

export function Welcome(): JSX.Element {
  return (
    <main class="welcome">
      <h2>This arena asks who you are</h2>
      <p>
        {session.value?.mode === 'live'
          ? 'It trades with real money, so nobody looks in without a login.'
          : 'It can be reached from other machines, so nobody looks in without a login.'}
      </p>
      <button type="button" class="button" data-kind="main" onClick={() => openDialog('login')}>
        Log in
      </button>
    </main>
  );
}

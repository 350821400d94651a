/** Logging in and out; the session itself is a cookie that no script can read. */

import { change } from './api';
import { loadDesk, loadSession, retryStream } from './sync';

/** Empty when it worked, else the sentence to show. */
export async function logIn(email: string, password: string): Promise<string> {
  const answer = await change('POST', '/api/session', { email, password });
  if (answer.kind === 'ok') {
    await loadSession();
    loadDesk();
    // A stream that was refused waits for its next try: now it is let in.
    retryStream();
    return '';
  }
  return answer.message;
}

export async function logOut(): Promise<void> {
  await change('DELETE', '/api/session');
  await loadSession();
  loadDesk();
}

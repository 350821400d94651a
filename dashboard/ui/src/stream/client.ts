/**
 * The page's end of the stream: through the SharedWorker where the browser has one, else a stream of the page's own.
 *
 * The Trusted Types policy `arena` turns one constant URL, the worker's, into a script URL and refuses every other: the only way for a
 * script to get into this page is to be that file.
 */

import { ArenaStream } from '../core/stream';
import { browserWorld } from './browser-world';
import { type FromPage, Hub, type ToPage } from './hub';
import workerUrl from './worker?sharedworker&url';

export type Transport = 'shared' | 'own';

export interface StreamClient {
  readonly transport: Transport;
  /** Follow these quotes too; the first call opens the stream. */
  follow(quotes: readonly string[]): void;
  retry(): void;
}

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** A tab says again that it is there; hidden ones may run timers once a minute, often enough for the worker's patience. */
const HELLO_MS = 20_000;
/** A worker that loads answers at once; one that cannot (blocked, gone after an upgrade) does not always say so. */
const WORKER_MS_MAX = 3_000;

export function openStream(deliver: (message: ToPage) => void): StreamClient {
  let send: (message: FromPage) => void = () => undefined;
  let wanted: readonly string[] | null = null;
  let transport: Transport = 'own';
  let last = 0;

  const receive = (message: ToPage): void => {
    if (message.kind === 'frames') {
      const frames = message.frames.filter(({ n }) => n > last);
      last = frames.at(-1)?.n ?? last;
      if (frames.length) deliver({ kind: 'frames', frames });
    } else deliver(message);
  };

  const useOwn = (): void => {
    transport = 'own';
    const hub = new Hub(browserWorld);
    hub.attach(new ArenaStream(browserWorld, hub));
    const port = { post: receive };
    send = (message) => hub.receive(port, message);
    if (wanted) send({ kind: 'hello', quotes: wanted });
  };

  const worker = sharedWorker();
  if (worker) {
    transport = 'shared';
    let answered = false;
    const giveUp = (): void => {
      if (answered) return;
      answered = true;
      worker.port.close();
      useOwn();
    };
    worker.addEventListener('error', giveUp);
    worker.port.addEventListener('message', (message: MessageEvent<ToPage>) => {
      if (transport !== 'shared') return;
      answered = true;
      receive(message.data);
    });
    worker.port.start();
    send = (message) => {
      worker.port.postMessage(message);
      if (message.kind === 'hello' && !answered) setTimeout(giveUp, WORKER_MS_MAX);
    };
    setInterval(() => wanted && send({ kind: 'hello', quotes: wanted }), HELLO_MS);
  } else {
    useOwn();
  }

  addEventListener('pagehide', () => send({ kind: 'bye' }));
  addEventListener('pageshow', (event) => {
    if (event.persisted && wanted) send({ kind: 'hello', quotes: wanted });
  });
  addEventListener('online', () => send({ kind: 'retry' }));

  return {
    get transport() {
      return transport;
    },
    follow: (quotes) => {
      wanted = quotes;
      send({ kind: 'hello', quotes });
    },
    retry: () => send({ kind: 'retry' }),
  };
}

function sharedWorker(): SharedWorker | null {
  if (typeof SharedWorker === 'undefined') return null;
  try {
    const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
    const policy = trustedTypes?.createPolicy('arena', {
      createScriptURL: (url) => {
        if (url !== workerUrl) throw new TypeError('only the stream worker may be loaded');
        return url;
      },
    });
    return new SharedWorker(policy ? policy.createScriptURL(workerUrl) : workerUrl, { type: 'module', name: 'arena-stream' });
  } catch {
    // A browser set to refuse workers still shows the page, with a connection per tab.
    return null;
  }
}

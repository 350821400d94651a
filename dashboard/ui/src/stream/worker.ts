/** The SharedWorker: the one that holds the connection for all tabs of this browser. */

import { ArenaStream } from '../core/stream';
import { browserWorld } from './browser-world';
import { type FromPage, Hub, type Port } from './hub';

const hub = new Hub(browserWorld);
hub.attach(new ArenaStream(browserWorld, hub));

self.addEventListener('connect', (event) => {
  const channel = (event as MessageEvent).ports[0];
  if (!channel) return;
  const port: Port = { post: (message) => channel.postMessage(message) };
  channel.addEventListener('message', (message: MessageEvent<FromPage>) => hub.receive(port, message.data));
  channel.start();
});

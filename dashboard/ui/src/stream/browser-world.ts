/** The browser's EventSource, clock, timers and chance, for the stream; the same in a page and in a worker. */

import type { Source, World } from '../core/stream';

export const browserWorld: World = {
  open: (url): Source => {
    const source = new EventSource(url);
    return {
      addEventListener: (name, listener) => source.addEventListener(name, (event) => listener(event as MessageEvent)),
      close: () => source.close(),
    };
  },
  now: () => Date.now(),
  random: () => Math.random(),
  setTimer: (run, ms) => setTimeout(run, ms) as unknown as number,
  clearTimer: (id) => clearTimeout(id),
};

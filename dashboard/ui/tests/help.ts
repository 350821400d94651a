/** What several tests need: events and frames as the stream brings them. */

import type { ArenaEvent, Frame, Payload } from '../src/core/wire';

export const EPOCH = '61aa61aa61aa61aa';

export function event(type: string, payload: Payload = {}, more: Partial<ArenaEvent> = {}): ArenaEvent {
  return { id: '', source: 'oanda', type, payload, ts: '2025-10-16T11:55:27.021050Z', epoch: EPOCH, seq: 1, ...more };
}

export function frame(name: string, data: unknown, more: Partial<Frame> = {}): Frame {
  return { name, id: '', data: typeof data === 'string' ? data : JSON.stringify(data), at: 1_760_000_000_000, ...more };
}

export const PLACED: Payload = {
  order_id: 'paper-oanda-3',
  instrument: 'EUR_USD',
  side: 'BUY',
  units: 100,
  entry: 1.1655,
  sl: 1.16,
  tp: 1.17,
  quality: 75,
  mode: 'paper',
  ttl_min: 360,
};

/**
 * What arrives: event envelopes and the named frames of the stream (DESIGN section 7), read without trust.
 *
 * A reader here never throws. What has no readable envelope becomes null and is counted by the caller; a field of the wrong type becomes
 * empty. Payloads stay as they came, for the detail view.
 */

import { oneLine } from './text';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type Payload = { readonly [key: string]: Json };

/** One event as journalled; `id` is the cursor that the stream gave with it. */
export interface ArenaEvent {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly payload: Payload;
  readonly ts: string;
  readonly epoch: string | null;
  readonly seq: number | null;
}

/** One message of the stream, as it left the EventSource; `at` is the time of receipt, ms since 1970. */
export interface Frame {
  readonly name: string;
  readonly id: string;
  readonly data: string;
  readonly at: number;
}

export function isRecord(value: unknown): value is Payload {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** JSON text as a record, or null. */
export function readRecord(text: string): Payload | null {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : null;
  } catch {
    return null;
  }
}

/** The event in an envelope, or null when it has no source or no type. */
export function readEvent(value: unknown, id: string): ArenaEvent | null {
  if (!isRecord(value)) return null;
  const source = oneLine(value['source'], 40);
  const type = oneLine(value['type'], 60);
  if (!source || !type) return null;
  const { payload, ts, epoch, seq } = value;
  return {
    id: id || oneLine(value['id'], 1024),
    source,
    type,
    payload: isRecord(payload) ? payload : {},
    ts: oneLine(ts, 40),
    epoch: typeof epoch === 'string' ? oneLine(epoch, 16) : null,
    seq: typeof seq === 'number' && Number.isSafeInteger(seq) ? seq : null,
  };
}

export interface Ready {
  readonly cursor: string;
  readonly resumed: boolean;
  readonly replayed: number;
  readonly build: string;
}

export function readReady(data: string): Ready {
  const value = readRecord(data) ?? {};
  return {
    cursor: oneLine(value['cursor'], 1024),
    resumed: value['resumed'] === true,
    replayed: count(value['replayed']),
    build: oneLine(value['build'], 80),
  };
}

/** Events that the stream could not give. `to` may be unknown. */
export interface Gap {
  readonly source: string;
  readonly from: number | null;
  readonly to: number | null;
}

export function readGap(data: string): Gap {
  const value = readRecord(data) ?? {};
  return { source: oneLine(value['source'], 40) || '*', from: index(value['from']), to: index(value['to']) };
}

/** A source whose history began anew, or (`*`) a place in the stream that could not be read. */
export interface Reset {
  readonly source: string;
  readonly reason: string;
}

export function readReset(data: string): Reset {
  const value = readRecord(data) ?? {};
  return { source: oneLine(value['source'], 40) || '*', reason: oneLine(value['reason'], 120) };
}

function index(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}

function count(value: unknown): number {
  return index(value) ?? 0;
}

/** The instrument an event is about: the seed's `product_id` counts too. */
export function instrumentOf(payload: Payload): string {
  return oneLine(payload['instrument'] ?? payload['product_id'], 40);
}

/** The bracket an event is about, empty when none. */
export function orderIdOf(event: ArenaEvent): string {
  const { payload } = event;
  if (event.type === 'narration' && isRecord(payload['about'])) return oneLine(payload['about']['order_id'], 80);
  return oneLine(payload['order_id'], 80);
}

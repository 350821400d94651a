/** The order whose story is open: its figures, its events, and the line that led there. */

import { signal } from '@preact/signals';
import type { Line } from '../core/feed';
import { isRecord, type Payload } from '../core/wire';
import { get } from './api';
import { openLine } from './feed-view';

export interface OrderStory {
  readonly broker: string;
  readonly orderId: string;
  readonly state: 'loading' | 'ok' | 'absent' | 'down' | 'locked';
  readonly order: Payload | null;
}

export const story = signal<OrderStory | null>(null);
/** Whether the dialog was opened from an order instead of a line. */
export const openedOrder = signal<{ readonly broker: string; readonly orderId: string } | null>(null);

/** The broker is part of every order's id: `<mode>-<broker>-<n>`. */
export function brokerOf(orderId: string): string {
  return /^[a-z]+-([a-z0-9]+)-\d+$/.exec(orderId)?.[1] ?? '';
}

export function openOrder(broker: string, orderId: string): void {
  openLine.value = null;
  openedOrder.value = { broker, orderId };
  void load(broker, orderId);
}

export function openStory(line: Line): void {
  const broker = brokerOf(line.orderId);
  if (broker) void load(broker, line.orderId);
  else story.value = null;
}

export function closeStory(): void {
  openLine.value = null;
  openedOrder.value = null;
  story.value = null;
}

async function load(broker: string, orderId: string): Promise<void> {
  story.value = { broker, orderId, state: 'loading', order: null };
  const answer = await get(`/api/arena/brokers/${encodeURIComponent(broker)}/orders/${encodeURIComponent(orderId)}`);
  if (story.peek()?.orderId !== orderId) return;
  if (answer.kind === 'ok') {
    const { order } = answer.body;
    story.value = { broker, orderId, state: isRecord(order) ? 'ok' : 'down', order: isRecord(order) ? order : null };
  } else {
    const status = answer.kind === 'refused' ? answer.status : 0;
    story.value = { broker, orderId, state: status === 404 ? 'absent' : status === 401 || status === 403 ? 'locked' : 'down', order: null };
  }
}

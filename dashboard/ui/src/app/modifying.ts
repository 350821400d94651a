/** The order whose change is being written, and what is already filled in (a line that was dragged on the chart). */

import { signal } from '@preact/signals';
import type { Order, Position } from '../core/desk';

export interface Modifying {
  readonly order: Order;
  readonly changes: { readonly stop?: string; readonly target?: string };
}

export const modifying = signal<Modifying | null>(null);

/** The position whose closing is being asked about. */
export const closing = signal<Position | null>(null);

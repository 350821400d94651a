/** The one state of the page, as a signal; everything that happens goes through `dispatch`. */

import { computed, signal } from '@preact/signals';
import { type PageEvent, type PageState, reduce, startState } from '../core/state';

export const state = signal<PageState>(startState(Date.now()));

export function dispatch(event: PageEvent): void {
  state.value = reduce(state.value, event);
}

/** Slices: a view that reads one is drawn anew when that slice changed. */
export const connection = computed(() => state.value.connection);
export const feed = computed(() => state.value.feed);
export const quotes = computed(() => state.value.quotes);
export const instruments = computed(() => state.value.instruments);
export const session = computed(() => state.value.session);
export const programs = computed(() => state.value.programs);
export const desk = computed(() => state.value.desk);
export const build = computed(() => state.value.build);
export const now = computed(() => state.value.now);
/** The server's time: what expires there, expires by it. */
export const serverNow = computed(() => state.value.now + state.value.clockAhead);
/** Whole page amber: live as soon as one broker is. */
export const mode = computed(() => state.value.session?.mode ?? 'paper');

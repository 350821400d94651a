/** The order ticket's state: the form, the server's preview of it, and the one id that makes a double click one order. */

import { computed, effect, signal } from '@preact/signals';
import { EMPTY_FORM, type Field, FIELD_OF_WIRE, judge, mintOrderId, type OrderBody, type TicketForm } from '../core/ticket';
import type { Instrument } from '../core/instruments';
import { fromWire } from '../core/decimal';
import { oneLine } from '../core/text';
import { isRecord, type Payload } from '../core/wire';
import type { Answer } from './api';
import { lookUp, place, preview } from './orders';
import { selectedInstrument } from './settings';
import { instruments, quotes, session } from './store';

export const form = signal<TicketForm>(EMPTY_FORM);

export const instrument = computed<Instrument | null>(
  () => instruments.value.get(selectedInstrument.value) ?? [...instruments.value.values()][0] ?? null,
);

export const judged = computed(() => {
  const chosen = instrument.value;
  return chosen && judge(form.value, chosen, form.value.entryType === 'market' ? quotes.value.get(chosen.name) : undefined);
});

/** The server's words on what was sent or would be: by field where it named one. */
export const refusal = signal<{ readonly text: string; readonly code: string; readonly field: Field | null } | null>(null);
export const isSending = signal(false);
/** What the last attempt came to. */
export const outcome = signal<{ readonly kind: 'placed' | 'unknown' | 'absent'; readonly text: string } | null>(null);

/** An id serves one order: kept over attempts whose outcome is open, replaced once it is known. */
let ticketId = freshId();
let openAttempt: { broker: string; body: string } | null = null;

function freshId(): string {
  return mintOrderId(crypto.getRandomValues(new Uint8Array(12)));
}

export function edit(part: Partial<TicketForm>): void {
  form.value = { ...form.peek(), ...part };
  refusal.value = null;
  if (outcome.peek()?.kind === 'placed') outcome.value = null;
}

export async function submit(): Promise<void> {
  const body = judged.peek()?.body;
  const broker = instrument.peek()?.venue;
  if (!body || !broker || isSending.peek()) return;
  const text = JSON.stringify(body);
  if (openAttempt && (openAttempt.body !== text || openAttempt.broker !== broker)) {
    outcome.value = { kind: 'unknown', text: 'It is still open what became of the order before this one. Look it up first.' };
    return;
  }
  isSending.value = true;
  refusal.value = outcome.value = null;
  openAttempt = { broker, body: text };
  try {
    const answer = await place(broker, body, ticketId);
    if (answer === null) openAttempt = null;
    else settle(answer, broker);
  } finally {
    isSending.value = false;
  }
}

function settle(answer: Answer, broker: string): void {
  if (answer.kind === 'unknown') {
    outcome.value = { kind: 'unknown', text: `${answer.message} It is kept under one id: sending it again cannot double it.` };
    return;
  }
  if (answer.kind === 'ok') {
    const { order_id: id, status, mode } = answer.body;
    outcome.value = { kind: 'placed', text: `${oneLine(id, 60)} ${oneLine(status, 20)}, ${oneLine(mode, 10) || 'at'} ${broker}` };
  } else {
    refuse(answer);
  }
  openAttempt = null;
  ticketId = freshId();
}

function refuse(answer: Answer): void {
  if (answer.kind === 'refused') {
    const field = FIELD_OF_WIRE.get(oneLine(answer.details['field'], 40)) ?? null;
    refusal.value = { text: answer.message, code: answer.code, field };
  } else if (answer.kind === 'down') refusal.value = { text: answer.message, code: 'DOWN', field: null };
}

/** What became of an order whose answer never came. */
export async function lookUpOpenAttempt(): Promise<void> {
  if (!openAttempt) return;
  const { broker } = openAttempt;
  const answer = await lookUp(broker, ticketId);
  if (answer.kind !== 'ok') {
    outcome.value = { kind: 'unknown', text: 'Looking it up did not work either. Try again in a moment.' };
    return;
  }
  const list = answer.body['orders'];
  const found = Array.isArray(list) ? list.find(isRecord) : undefined;
  openAttempt = null;
  ticketId = freshId();
  outcome.value = found
    ? { kind: 'placed', text: `It arrived: ${oneLine(found['order_id'], 60)} ${oneLine(found['status'], 20)}` }
    : { kind: 'absent', text: 'It never arrived: nothing was placed.' };
}

/** Figures of the server's preview; null while there is none for the form as it stands. */
export const previewed = signal<Payload | null>(null);

/** After the last keystroke; and while only the market moves (a market order with its exits as distances), once a second. */
const PREVIEW_AFTER_MS = 250;
const PREVIEW_EVERY_MS = 1_000;

/** Ask for a preview shortly after the last change of an order that could be sent. */
export function followForm(): void {
  clearPricesWithInstrument();
  let timer: number | undefined;
  let asked: TicketForm | null = null;
  const ask = async (): Promise<void> => {
    timer = undefined;
    const body = judged.peek()?.body;
    const broker = instrument.peek()?.venue;
    if (!body || !broker) return;
    const answer = await preview(broker, body);
    // Somebody typed on: another question is on its way.
    if (form.peek() !== asked) return;
    const figures = answer.kind === 'ok' ? answer.body['preview'] : null;
    previewed.value = isRecord(figures) ? figures : null;
    if (answer.kind === 'refused' && answer.status === 422) refuse(answer);
  };
  effect(() => {
    const body: OrderBody | null = judged.value?.body ?? null;
    const isTyped = form.value !== asked;
    if (isTyped) {
      clearTimeout(timer);
      timer = undefined;
    }
    if (!body || !session.value?.user) {
      previewed.value = null;
      return;
    }
    asked = form.peek();
    timer ??= window.setTimeout(() => void ask(), isTyped ? PREVIEW_AFTER_MS : PREVIEW_EVERY_MS);
  });
}

/** Prices of one instrument mean nothing in another. */
function clearPricesWithInstrument(): void {
  let before = instrument.peek();
  effect(() => {
    const now = instrument.value;
    if (now?.name === before?.name) return;
    if (before) edit({ entry: '', stop: '', target: '', trail: '', ...(now?.assetClass === before.assetClass ? {} : { units: '' }) });
    before = now;
  });
}

/** A figure of the preview as exact text. */
export function figure(name: string): string | null {
  return fromWire(previewed.value?.[name] ?? null);
}

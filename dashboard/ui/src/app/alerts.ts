/**
 * Sounds and browser messages, for kinds of events that the reader chose; everything is off at first.
 *
 * Sounds are two short tones of an oscillator, no files. With several tabs open only one of them speaks: the one that holds the lock. A browser lets
 * a page make sound only after the reader has touched it; until then the page says that sound is blocked.
 */

import { effect, signal } from '@preact/signals';
import { type Alert, ALERTS, alertsOf } from '../core/alerts';
import { type Line, linesSince, wordsOf } from '../core/feed';
import { messages, sounds, volume } from './settings';
import { connection, feed } from './store';

/** Whether sound is wanted and the browser does not let it out yet. */
export const isSoundBlocked = signal(false);

let context: AudioContext | null = null;
let speaks = true;

/** Two tones each: up for good news, down for bad, the same twice for what just is. Hz. */
const TONES: Readonly<Record<Alert, readonly [number, number]>> = {
  fill: [660, 880],
  close: [523, 784],
  cancel: [440, 440],
  refusal: [392, 294],
  alarm: [880, 440],
  connection: [494, 494],
};
const TONE_S = 0.11;

export function play(alert: Alert): void {
  context ??= new AudioContext();
  if (context.state !== 'running') {
    void context.resume();
    isSoundBlocked.value = true;
    context.onstatechange = () => (isSoundBlocked.value = context?.state !== 'running');
    return;
  }
  isSoundBlocked.value = false;
  const start = context.currentTime;
  for (const [i, frequency] of TONES[alert].entries()) {
    const tone = context.createOscillator();
    const gain = context.createGain();
    const at = start + i * TONE_S;
    tone.frequency.value = frequency;
    // Fades in and out: a tone cut off is a click.
    gain.gain.setValueAtTime(0, at);
    gain.gain.linearRampToValueAtTime((volume.peek() / 100) * 0.4, at + 0.015);
    gain.gain.linearRampToValueAtTime(0, at + TONE_S);
    tone.connect(gain).connect(context.destination);
    tone.start(at);
    tone.stop(at + TONE_S);
  }
}

/** Ask the browser for its messages. Returns whether they may be shown. */
export async function allowMessages(): Promise<boolean> {
  if (typeof Notification === 'undefined') return false;
  return (await Notification.requestPermission()) === 'granted';
}

function show(alert: Alert, line: Line): void {
  if (typeof Notification === 'undefined' || Notification.permission !== 'granted') return;
  const message = new Notification('RICK Trading Dashboard', { body: wordsOf(line), tag: `arena-${alert}`, icon: '/icon.svg' });
  message.onclick = () => {
    window.focus();
    message.close();
  };
}

/** Follow the feed from where it stands once the page is live: history is not news. */
export function followAlerts(): void {
  takeTurns();
  let heard: number | null = null;
  effect(() => {
    const { added } = feed.value;
    if (heard === null) {
      if (connection.value.phase === 'live') heard = added;
      return;
    }
    const since = heard;
    heard = added;
    if (added > since && (sounds.peek().length || messages.peek().length)) alertTo(linesSince(feed.peek(), since));
  });
  let wasLive = false;
  effect(() => {
    const { phase } = connection.value;
    if (wasLive && (phase === 'reconnecting' || phase === 'stale') && speaks && sounds.peek().includes('connection')) play('connection');
    wasLive = phase === 'live';
  });
}

function alertTo(lines: readonly Line[]): void {
  if (!speaks) return;
  const found = alertsOf(lines);
  const loudest = ALERTS.toReversed().find((alert) => found.has(alert) && sounds.peek().includes(alert));
  if (loudest) play(loudest);
  if (!document.hidden) return;
  for (const [alert, line] of found) if (messages.peek().includes(alert)) show(alert, line);
}

/** Of several tabs one speaks; when it goes, the next. */
function takeTurns(): void {
  if (!('locks' in navigator)) return;
  speaks = false;
  void navigator.locks.request('arena-alerts', () => {
    speaks = true;
    return new Promise(() => undefined);
  });
}

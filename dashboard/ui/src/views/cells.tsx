/** What the book's tables share: names, sides, and why a list is empty or old. */

import type { ComponentChildren, JSX } from 'preact';
import { selectedInstrument } from '../app/settings';
import { instruments, now } from '../app/store';
import { type Fetched, isHeldAt, type Part } from '../core/desk';
import { age, plain } from '../core/format';
import { assetClassOf, usualDecimals } from '../core/narrate';
import { capital } from '../core/text';

export function decimalsOf(name: string): number {
  return instruments.value.get(name)?.decimals ?? usualDecimals(name);
}

export function Name({ name, sub }: { name: string; sub: ComponentChildren }): JSX.Element {
  return (
    <>
      <button
        type="button"
        class="cell-name"
        data-class={assetClassOf(name)}
        onClick={() => (selectedInstrument.value = name)}
        title={`Show ${name} on the chart`}
      >
        {name}
      </button>
      <span class="cell-sub">{sub}</span>
    </>
  );
}

export function SideWord({ side, units, long = false }: { side: string; units: string; long?: boolean }): JSX.Element {
  const word = long ? (side === 'SELL' ? 'Short' : 'Long') : side;
  return (
    <span class={side === 'SELL' ? 'part-sell' : 'part-buy'}>
      {word} <span class="cell-units">{plain(units)}</span>
    </span>
  );
}

function stand<T>({ list, unavailable }: Part<T>): string {
  const isKept = list.some((one) => isHeldAt(one) && unavailable.includes(one.broker));
  return isKept ? 'stand here as they last were' : 'are missing here, not gone';
}

/** Why a list is empty or old, and what to do about it. */
export function Trouble<T>({ part, what }: { part: Part<T>; what: string }): JSX.Element | null {
  const said: Record<Fetched, string> = {
    never: `Asking for ${what} …`,
    ok: part.unavailable.length ? `${part.unavailable.join(' and ')} does not answer: its ${what} ${stand(part)}.` : '',
    locked: `Log in to see ${what}.`,
    absent: `This arena does not offer ${what} yet.`,
    down: `${capital(what)} cannot be asked for: ${part.fault || 'no answer'}.${part.at ? ` What stands here is ${age(now.value - part.at)} old.` : ''}`,
  };
  return said[part.fetched] ? (
    <p class="book-trouble" data-kind={part.fetched === 'never' ? 'quiet' : 'warn'}>
      {said[part.fetched]}
    </p>
  ) : null;
}

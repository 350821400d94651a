/** A button that must be held, by pointer or by Enter or Space, so that what it does is never an accident. */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';

const HOLD_MS = 1_500;

export function HoldButton({ label, disabled, onHeld }: { label: string; disabled: boolean; onHeld: () => void }): JSX.Element {
  const timer = useRef<number | undefined>(undefined);
  const [isHeld, setHeld] = useState(false);
  const start = (): void => {
    if (timer.current !== undefined || disabled) return;
    setHeld(true);
    timer.current = window.setTimeout(() => {
      stop();
      onHeld();
    }, HOLD_MS);
  };
  const stop = (): void => {
    clearTimeout(timer.current);
    timer.current = undefined;
    setHeld(false);
  };
  useEffect(() => stop, []);
  const isHoldKey = (event: KeyboardEvent): boolean => event.key === 'Enter' || event.key === ' ';
  return (
    <button
      type="button"
      class="button hold"
      data-kind="danger"
      data-held={isHeld}
      disabled={disabled}
      onPointerDown={start}
      onPointerUp={stop}
      onPointerLeave={stop}
      onKeyDown={(event) => isHoldKey(event) && start()}
      onKeyUp={(event) => isHoldKey(event) && stop()}
      onBlur={stop}
    >
      {label}
    </button>
  );
}

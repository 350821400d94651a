/** A modal dialog: the browser's own, which keeps focus inside, closes on Escape and gives focus back. */

import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useId, useRef } from 'preact/hooks';
import { Drawing } from './icons';

export function Dialog(props: { title: string; onClose: () => void; children: ComponentChildren; kind?: string | undefined }): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  const title = useId();
  useEffect(() => {
    const dialog = element.current;
    const before = document.activeElement;
    if (dialog && !dialog.open) dialog.showModal();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement && before.isConnected) before.focus();
    };
  }, []);
  return (
    <dialog
      class="dialog"
      data-kind={props.kind}
      ref={element}
      aria-labelledby={title}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
      onClick={(event) => event.target === element.current && props.onClose()}
    >
      <div class="dialog-body">
        <header class="dialog-head">
          <h2 id={title}>{props.title}</h2>
          <button type="button" class="tool tool-icon" onClick={props.onClose} aria-label="Close">
            <Drawing name="close" />
          </button>
        </header>
        {props.children}
      </div>
    </dialog>
  );
}

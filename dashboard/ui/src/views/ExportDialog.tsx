/** Take it home: the transcript or the closed trades, what the filter shows or everything, for a spreadsheet or for a reader. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { closeDialog } from '../app/dialogs';
import { download, save } from '../app/download';
import { filter } from '../app/feed-view';
import { filterToExport, isFiltering } from '../core/filter';
import { Dialog } from './Dialog';

const WHAT = [
  ['narration', 'The narration: every line with its time, source and order'],
  ['trades', 'Closed trades with profit, fees and R'],
] as const;
const FORMS = [
  ['csv', 'CSV, for a spreadsheet'],
  ['pdf', 'PDF, a report to hand on'],
] as const;

export function ExportDialog(): JSX.Element {
  const filtering = isFiltering(filter.value);
  const [what, setWhat] = useState<(typeof WHAT)[number][0]>('narration');
  const [form, setForm] = useState<(typeof FORMS)[number][0]>('csv');
  const [onlyShown, setOnlyShown] = useState(filtering);
  const [bom, setBom] = useState(false);
  const running = download.value?.state === 'running';
  const start = (): void => {
    const query = filtering && onlyShown ? filterToExport(filter.peek()) : new URLSearchParams();
    if (bom && form === 'csv') query.set('bom', 'true');
    const text = query.toString();
    void save(`/api/export/${what}.${form}${text ? `?${text}` : ''}`, `arena-${what}-${new Date().toISOString().slice(0, 10)}.${form}`);
  };
  return (
    <Dialog title="Export" onClose={closeDialog}>
      <form
        class="dialog-text"
        onSubmit={(event) => {
          event.preventDefault();
          start();
        }}
      >
        <Radios name="what" options={WHAT} value={what} onChange={setWhat} label="What" />
        <Radios name="form" options={FORMS} value={form} onChange={setForm} label="As" />
        {filtering && (
          <label class="check">
            <input type="checkbox" checked={onlyShown} onChange={(event) => setOnlyShown(event.currentTarget.checked)} />
            Only what the filter shows
          </label>
        )}
        {form === 'csv' && (
          <label class="check">
            <input type="checkbox" checked={bom} onChange={(event) => setBom(event.currentTarget.checked)} />
            Mark it as UTF-8 (for older spreadsheets)
          </label>
        )}
        <Progress />
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={closeDialog}>
            Close
          </button>
          <button type="submit" class="button" data-kind="main" disabled={running}>
            {running ? 'Exporting …' : 'Export'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Radios<T extends string>(props: {
  label: string;
  name: string;
  value: T;
  options: readonly (readonly [T, string])[];
  onChange: (value: T) => void;
}): JSX.Element {
  return (
    <fieldset class="radios">
      <legend>{props.label}</legend>
      {props.options.map(([value, text]) => (
        <label key={value} class="check">
          <input type="radio" name={props.name} value={value} checked={props.value === value} onChange={() => props.onChange(value)} />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function Progress(): JSX.Element {
  const now = download.value;
  const size = now && (now.bytes < 1_000_000 ? `${Math.ceil(now.bytes / 1000)} kB` : `${(now.bytes / 1_000_000).toFixed(1)} MB`);
  return (
    <p class={now?.state === 'failed' ? 'field-fault' : 'field-note'} role="status">
      {now && (now.state === 'failed' ? now.fault : `${now.name}: ${size}${now.state === 'done' ? ', saved' : ' …'}`)}
    </p>
  );
}

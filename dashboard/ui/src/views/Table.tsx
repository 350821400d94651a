/** A table that sorts by its heads. Cells hold up to two lines, so that one width serves a desk and a phone. */

import type { ComponentChildren, JSX } from 'preact';
import { useState } from 'preact/hooks';

export interface Column<T> {
  readonly name: string;
  /** `num` stands right; `wide` is left out on a phone; `actions` has no visible head. */
  readonly kind?: 'num' | 'wide' | 'actions';
  readonly sort?: (row: T) => string | number;
  readonly cell: (row: T) => ComponentChildren;
}

interface Sorting {
  readonly column: string;
  readonly direction: 1 | -1;
}

export function Table<T>(props: { label: string; columns: readonly Column<T>[]; rows: readonly T[]; keyOf: (row: T) => string }): JSX.Element {
  const [sorting, setSorting] = useState<Sorting | null>(null);
  const by = props.columns.find(({ name }) => name === sorting?.column)?.sort;
  const rows = by && sorting ? [...props.rows].sort((a, b) => sorting.direction * order(by(a), by(b))) : props.rows;
  return (
    <table class="table" aria-label={props.label}>
      <thead>
        <tr>
          {props.columns.map((column) => (
            <Head key={column.name} column={column} sorting={sorting} onSort={setSorting} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={props.keyOf(row)}>
            {props.columns.map((column) => (
              <td key={column.name} class={column.kind}>
                {column.kind === 'actions' ? <div class="row-tools">{column.cell(row)}</div> : column.cell(row)}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Head<T>({ column, sorting, onSort }: { column: Column<T>; sorting: Sorting | null; onSort: (next: Sorting | null) => void }): JSX.Element {
  const { name, kind } = column;
  const direction = sorting?.column === name ? sorting.direction : 0;
  if (!column.sort) {
    return (
      <th scope="col" class={kind}>
        {kind === 'actions' ? <span class="unseen">{name}</span> : name}
      </th>
    );
  }
  // First upwards, then downwards, then as the server had it.
  const next = direction === 0 ? { column: name, direction: 1 as const } : direction === 1 ? { column: name, direction: -1 as const } : null;
  return (
    <th scope="col" class={kind} aria-sort={direction === 1 ? 'ascending' : direction === -1 ? 'descending' : 'none'}>
      <button type="button" class="sort" onClick={() => onSort(next)}>
        {name}
        <span class="sort-mark" aria-hidden="true">
          {direction === 1 ? '▲' : direction === -1 ? '▼' : ''}
        </span>
      </button>
    </th>
  );
}

function order(a: string | number, b: string | number): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  return String(a).localeCompare(String(b));
}

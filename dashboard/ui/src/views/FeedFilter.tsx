/** The feed's filter: kinds of lines, source, instrument, words. Shown on demand; what it hides comes back when it is cleared. */

import type { JSX } from 'preact';
import { change, filter, spokenOf } from '../app/feed-view';
import { CATEGORIES, CATEGORY_NAMES, type Category, isFiltering, NO_FILTER } from '../core/filter';

export function FeedFilter(): JSX.Element {
  const { text, hidden, source, instrument } = filter.value;
  const { sources, instruments } = spokenOf.value;
  return (
    <div id="feed-filter" class="feed-filter" role="group" aria-label="Filter the feed">
      <div class="chips">
        {CATEGORIES.map((category) => (
          <button key={category} type="button" class="chip" aria-pressed={!hidden.has(category)} onClick={() => toggle(category)}>
            {CATEGORY_NAMES[category]}
          </button>
        ))}
      </div>
      <div class="feed-filter-row">
        <input
          id="feed-filter-text"
          class="input"
          type="search"
          placeholder="Words or order id"
          aria-label="Words or order id"
          value={text}
          onInput={(event) => change({ text: event.currentTarget.value.slice(0, 100) })}
        />
        <Choice label="Source" value={source} values={sources} all="All sources" onChange={(value) => change({ source: value })} />
        <Choice
          label="Instrument"
          value={instrument}
          values={instruments}
          all="All instruments"
          onChange={(value) => change({ instrument: value })}
        />
        {isFiltering(filter.value) && (
          <button type="button" class="tool" onClick={() => (filter.value = NO_FILTER)}>
            Clear
          </button>
        )}
      </div>
    </div>
  );
}

function Choice(props: { label: string; value: string; values: readonly string[]; all: string; onChange: (value: string) => void }): JSX.Element {
  const values = props.value && !props.values.includes(props.value) ? [...props.values, props.value] : props.values;
  return (
    <select class="input" aria-label={props.label} value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
      <option value="">{props.all}</option>
      {values.map((value) => (
        <option key={value} value={value}>
          {value}
        </option>
      ))}
    </select>
  );
}

function toggle(category: Category): void {
  const hidden = new Set(filter.peek().hidden);
  if (!hidden.delete(category)) hidden.add(category);
  change({ hidden });
}

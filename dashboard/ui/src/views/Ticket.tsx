/** The order ticket. Top to bottom as an order is thought: what, which way, how much, where in, where out, for how long; then what it risks. */

import type { JSX } from 'preact';
import { openDialog } from '../app/dialogs';
import { isLive } from '../app/orders';
import { now, quotes, session } from '../app/store';
import { edit, form, instrument, isSending, judged, lookUpOpenAttempt, outcome, refusal, submit } from '../app/ticket-state';
import { divide, parseDecimal, toShortText } from '../core/decimal';
import { price } from '../core/format';
import { type Instrument, pipName } from '../core/instruments';
import { isForexClosed } from '../core/market-hours';
import { isStale } from '../core/quotes';
import { type EntryType, type ExitUnit, type Field, orderWords, type Side } from '../core/ticket';
import { Drawing } from './icons';
import { Reckoning } from './Reckoning';

export function Ticket(): JSX.Element {
  const chosen = instrument.value;
  const who = session.value;
  return (
    <section class="panel ticket" aria-labelledby="ticket-title" data-dirty={form.value.units !== '' || form.value.entry !== ''}>
      <header class="panel-head">
        <h2 id="ticket-title" class="panel-title">
          Order ticket
        </h2>
        {chosen && (
          <span class="ticket-name" data-class={chosen.assetClass}>
            {chosen.name}
          </span>
        )}
      </header>
      {!who?.user ? (
        <div class="empty">
          <p>Looking around needs no login here; trading does.</p>
          <button type="button" class="button ticket-login" onClick={() => openDialog('login')}>
            Log in to trade
          </button>
        </div>
      ) : !who.mayTrade ? (
        <p class="empty">You are logged in as a {who.user.role}: you see everything and change nothing.</p>
      ) : chosen ? (
        <Form chosen={chosen} />
      ) : (
        <p class="empty">Waiting for the list of instruments.</p>
      )}
    </section>
  );
}

const ENTRY_TYPES: readonly EntryType[] = ['limit', 'stop', 'market'];
const EXIT_UNITS: readonly ExitUnit[] = ['price', 'pips', 'percent'];

function Form({ chosen }: { chosen: Instrument }): JSX.Element {
  const { side, entryType, units, entry, stop, target, trail, exitUnit, quality, ttlMin } = form.value;
  const unitName = exitUnit === 'price' ? '' : exitUnit === 'pips' ? pipName(chosen) : '%';
  const quote = quotes.value.get(chosen.name);
  const near = quote && price(side === 'BUY' ? quote.ask : quote.bid, chosen.decimals);
  return (
    <form
      class="ticket-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        void submit();
      }}
    >
      <div class="sides" role="radiogroup" aria-label="Side">
        {(['BUY', 'SELL'] as const).map((one) => (
          <SideButton key={one} side={one} chosen={side} />
        ))}
      </div>
      <div class="segments" role="radiogroup" aria-label="Type of the entry">
        {ENTRY_TYPES.map((type) => (
          <label key={type} class="segment">
            <input type="radio" name="entry-type" value={type} checked={entryType === type} onChange={() => edit({ entryType: type })} />
            <span>{type}</span>
          </label>
        ))}
      </div>
      <TextField field="units" label="Units" unit={chosen.base} value={units} onInput={(value) => edit({ units: value })}>
        <span class="presets">
          {presets(chosen).map((preset) => (
            <button key={preset} type="button" class="chip" onClick={() => edit({ units: preset })}>
              {short(preset)}
            </button>
          ))}
        </span>
      </TextField>
      {entryType !== 'market' && (
        <TextField field="entry" label="Entry" value={entry} placeholder={near ?? ''} onInput={(value) => edit({ entry: value })}>
          <span class="presets">
            <button type="button" class="chip" disabled={!quote} onClick={() => quote && edit({ entry: price(quote.bid, chosen.decimals) })}>
              bid
            </button>
            <button type="button" class="chip" disabled={!quote} onClick={() => quote && edit({ entry: price(quote.ask, chosen.decimals) })}>
              ask
            </button>
          </span>
        </TextField>
      )}
      <div class="field-pair">
        <TextField
          field="stop"
          label="Stop loss"
          unit={unitName}
          value={stop}
          onInput={(value) => edit({ stop: value })}
          note={exitNote('stop', chosen)}
        />
        <TextField
          field="target"
          label="Take profit"
          unit={unitName}
          value={target}
          onInput={(value) => edit({ target: value })}
          note={exitNote('target', chosen)}
        />
      </div>
      <div class="field-line">
        <span class="field-hint" id="exit-unit-label">
          Stop and target as
        </span>
        <div class="segments segments-small" role="radiogroup" aria-labelledby="exit-unit-label">
          {EXIT_UNITS.map((unit) => (
            <label key={unit} class="segment">
              <input
                type="radio"
                name="exit-unit"
                value={unit}
                checked={exitUnit === unit}
                onChange={() => edit({ exitUnit: unit, stop: '', target: '', trail: '' })}
              />
              <span>{unit === 'percent' ? '%' : unit === 'pips' ? pipName(chosen) : unit}</span>
            </label>
          ))}
        </div>
      </div>
      <TextField
        field="trail"
        label="Trailing stop"
        unit={unitName || 'behind'}
        value={trail}
        placeholder="optional"
        onInput={(value) => edit({ trail: value })}
        note={trail ? 'The stop follows the market at this distance and never steps back.' : ''}
      />
      <div class="field-pair">
        <TextField
          field="quality"
          label="Quality"
          unit="of 100"
          value={quality}
          placeholder="optional"
          onInput={(value) => edit({ quality: value })}
        />
        <TextField field="ttlMin" label="Lives" unit="min" value={ttlMin} onInput={(value) => edit({ ttlMin: value })} />
      </div>
      <Reckoning chosen={chosen} />
      <Submit chosen={chosen} />
      <Outcome />
    </form>
  );
}

function SideButton({ side, chosen }: { side: Side; chosen: Side }): JSX.Element {
  return (
    <label class="side" data-side={side}>
      <input type="radio" name="side" value={side} checked={chosen === side} onChange={() => edit({ side })} />
      <span>
        <Drawing name={side === 'BUY' ? 'up' : 'down'} size={13} />
        {side}
      </span>
    </label>
  );
}

interface TextFieldProps {
  field: Field;
  label: string;
  value: string;
  unit?: string;
  placeholder?: string;
  note?: string;
  onInput: (value: string) => void;
  children?: JSX.Element;
}

function TextField({ field, label, value, unit, placeholder, note, onInput, children }: TextFieldProps): JSX.Element {
  const fault = judged.value?.errors.get(field) ?? (refusal.value?.field === field ? refusal.value.text : '');
  const id = `ticket-${field}`;
  return (
    <div class="field" data-fault={fault !== ''}>
      <div class="field-head">
        <label for={id}>{label}</label>
        {children}
      </div>
      <div class="field-box">
        <input
          id={id}
          class="input num"
          type="text"
          inputMode="decimal"
          autocomplete="off"
          spellcheck={false}
          maxLength={24}
          value={value}
          placeholder={placeholder}
          aria-invalid={fault !== ''}
          aria-describedby={fault || note ? `${id}-note` : undefined}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
        {unit && <span class="field-unit">{unit}</span>}
      </div>
      {(fault || note) && (
        <p id={`${id}-note`} class={fault ? 'field-fault' : 'field-note'}>
          {fault || note}
        </p>
      )}
    </div>
  );
}

/** What a distance comes to as a price, or a price as a distance. */
function exitNote(field: 'stop' | 'target', chosen: Instrument): string {
  const known = judged.value;
  const at = field === 'stop' ? known?.stopPrice : known?.targetPrice;
  const pips = field === 'stop' ? known?.riskPips : known?.rewardPips;
  if (!at || !pips) return '';
  return form.value.exitUnit === 'price' ? `${pips} ${pipName(chosen)} away` : `at ${price(toShortText(at), chosen.decimals)}`;
}

/** Sizes worth a button: a thousandth of a lot and up for currencies, small coins for coins. */
function presets(chosen: Instrument): string[] {
  return chosen.assetClass === 'crypto' ? ['0.001', '0.01', '0.1', '1'] : ['100', '1000', '10000', '100000'];
}

function short(units: string): string {
  const value = parseDecimal(units);
  return value && value.scale === 0 && value.units >= 1000n ? `${toShortText(divide(value, { units: 1000n, scale: 0 }, 1))}k` : units;
}

function Submit({ chosen }: { chosen: Instrument }): JSX.Element {
  const known = judged.value;
  const body = known?.body;
  const live = isLive(chosen.venue);
  const { side } = form.value;
  const quote = quotes.value.get(chosen.name);
  const old = !quote || isStale(quote, now.value);
  const closed = chosen.calendar === 'forex' && isForexClosed(now.value);
  const state = session.value?.tradingStates.get(chosen.venue) ?? 'ACTIVE';
  const stopped = state !== 'ACTIVE';
  const granted = !live || (session.value?.live.includes(chosen.venue) ?? false);
  return (
    <>
      {stopped && (
        <p class="field-fault">
          {chosen.venue} takes no new orders: {state}.
        </p>
      )}
      {old && (
        <p class="field-fault">
          {closed
            ? `The market of ${chosen.name} is closed: an order waits until it opens.`
            : quote
              ? `The price of ${chosen.name} is old: nothing fills on it until it is fresh again.`
              : `There is no price of ${chosen.name} yet: nothing fills until one comes.`}
        </p>
      )}
      {!granted && <p class="field-fault">{chosen.venue} is live and you hold no grant for it: it would be refused.</p>}
      <button
        type="submit"
        class="submit"
        data-side={side}
        data-mode={live ? 'live' : 'paper'}
        disabled={!body || isSending.value || !granted || stopped}
      >
        {isSending.value
          ? 'Sending …'
          : body
            ? `${orderWords(body, chosen.decimals)} — ${live ? 'LIVE' : 'PAPER'}`
            : incomplete(known?.missing ?? [], known?.errors.size ?? 0)}
      </button>
    </>
  );
}

const FIELD_WORDS: Readonly<Record<Field, string>> = {
  units: 'units',
  entry: 'entry',
  stop: 'stop',
  target: 'target',
  trail: 'trailing stop',
  quality: 'quality',
  ttlMin: 'time to live',
};

function incomplete(missing: readonly Field[], faults: number): string {
  if (missing.length) return `Still needed: ${missing.map((field) => FIELD_WORDS[field]).join(', ')}`;
  return faults ? 'Not an order yet: see above' : 'Not an order yet';
}

function Outcome(): JSX.Element {
  const refused = refusal.value;
  const told = outcome.value;
  return (
    <div class="outcome" role="status" aria-live="polite">
      {refused && (
        <p class="outcome-line" data-kind="refused">
          <Drawing name="rejected" size={14} /> {refused.text} <span class="outcome-code">{refused.code}</span>
        </p>
      )}
      {told && (
        <p class="outcome-line" data-kind={told.kind}>
          <Drawing name={told.kind === 'placed' ? 'filled' : told.kind === 'absent' ? 'closed' : 'unknown'} size={14} /> {told.text}{' '}
          {told.kind === 'unknown' && (
            <button type="button" class="tool" onClick={() => void lookUpOpenAttempt()}>
              Look it up
            </button>
          )}
        </p>
      )}
    </div>
  );
}

/** Changing an order and closing a position: each names what it is about, says what it would do, and starts on the way back. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { closing, modifying } from '../app/modifying';
import { close, estimate, isLive, type Modification, modify } from '../app/orders';
import { desk, instruments, session } from '../app/store';
import { isCancellable, type Order, type Position } from '../core/desk';
import { compare, divide, isMultipleOf, multiply, neighbours, parseDecimal, toShortText, toText } from '../core/decimal';
import { plain, price } from '../core/format';
import { usualDecimals } from '../core/narrate';
import { Dialog } from './Dialog';

export function OrderDialogs(): JSX.Element {
  const changing = modifying.value;
  const leaving = closing.value;
  return (
    <>
      {changing && <ModifyDialog key={changing.order.orderId} order={changing.order} stop={changing.changes.stop} target={changing.changes.target} />}
      {leaving && <CloseDialog key={leaving.instrument} position={leaving} />}
    </>
  );
}

function ModifyDialog({ order, stop, target }: { order: Order; stop: string | undefined; target: string | undefined }): JSX.Element {
  const before = { entry: order.entry ?? '', stop: order.stop ?? '', target: order.target ?? '' };
  const [values, setValues] = useState({ ...before, stop: stop ?? before.stop, target: target ?? before.target, ttlMin: '' });
  const [fault, setFault] = useState('');
  const [isSending, setSending] = useState(false);
  const isFilled = order.filledUnits !== '0';
  const done = (): void => void (modifying.value = null);
  const changes = changesOf(values, before, isFilled);
  const wrong = faultOf(values, order);

  const send = async (): Promise<void> => {
    setSending(true);
    const answer = await modify(order, changes);
    setSending(false);
    if (answer?.kind === 'refused') setFault(`${answer.message} (${answer.code})`);
    else if (answer) done();
  };

  return (
    <Dialog title={`Change ${order.orderId}`} kind={isLive(order.broker) ? 'live' : undefined} onClose={done}>
      <form
        class="dialog-text"
        onSubmit={(event) => {
          event.preventDefault();
          if (!wrong && Object.keys(changes).length) void send();
        }}
      >
        <p>
          {order.side} {order.units} {order.instrument}, {order.status.toLowerCase()}
        </p>
        <div class="field-grid">
          {!isFilled && order.entryType !== 'market' && (
            <Field label="Entry" value={values.entry} was={before.entry} onInput={(entry) => setValues({ ...values, entry })} />
          )}
          <Field label="Stop loss" value={values.stop} was={before.stop} onInput={(text) => setValues({ ...values, stop: text })} />
          <Field label="Take profit" value={values.target} was={before.target} onInput={(text) => setValues({ ...values, target: text })} />
          {!isFilled && <Field label="Lives, minutes from now" value={values.ttlMin} was="" onInput={(ttlMin) => setValues({ ...values, ttlMin })} />}
        </div>
        <p class="field-fault" role="status">
          {wrong || fault}
        </p>
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={done}>
            Keep it as it is
          </button>
          <button type="submit" class="button" data-kind="main" disabled={isSending || wrong !== '' || Object.keys(changes).length === 0}>
            {isSending ? 'Sending …' : 'Change the order'}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

function Field({ label, value, was, onInput }: { label: string; value: string; was: string; onInput: (value: string) => void }): JSX.Element {
  return (
    <label class="stacked">
      <span>{label}</span>
      <input
        class="input num"
        type="text"
        inputMode="decimal"
        autocomplete="off"
        maxLength={24}
        value={value}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <span class="field-note">{was && value !== was ? `was ${was}` : ''}</span>
    </label>
  );
}

interface Values {
  readonly entry: string;
  readonly stop: string;
  readonly target: string;
  readonly ttlMin: string;
}

function differs(now: string, before: string): boolean {
  const [a, b] = [parseDecimal(now), parseDecimal(before)];
  return a !== null && (b === null || compare(a, b) !== 0);
}

function changesOf(values: Values, before: { entry: string; stop: string; target: string }, isFilled: boolean): Modification {
  return {
    ...(!isFilled && differs(values.entry, before.entry) ? { entry_price: values.entry.trim() } : {}),
    ...(differs(values.stop, before.stop) ? { stop_loss_price: values.stop.trim() } : {}),
    ...(differs(values.target, before.target) ? { take_profit_price: values.target.trim() } : {}),
    ...(!isFilled && parseDecimal(values.ttlMin) ? { ttl_min: values.ttlMin.trim() } : {}),
  };
}

/** What the server would refuse anyway, said before it is sent: a price off the grid, a stop on the wrong side of the target. */
function faultOf(values: Values, order: Order): string {
  const tick = instruments.peek().get(order.instrument)?.tick;
  for (const [name, text] of [
    ['Entry', values.entry],
    ['Stop loss', values.stop],
    ['Take profit', values.target],
  ] as const) {
    if (text.trim() === '' && name === 'Entry') continue;
    const value = parseDecimal(text);
    if (!value || value.units <= 0n) return `${name} is not a price.`;
    if (tick && !isMultipleOf(value, tick)) return `${name} is between two prices: ${neighbours(value, tick).map(toShortText).join(' or ')}.`;
  }
  if (values.ttlMin.trim() !== '' && !parseDecimal(values.ttlMin)) return 'Minutes is not a number.';
  const [stop, target] = [parseDecimal(values.stop), parseDecimal(values.target)];
  if (stop && target && compare(stop, target) !== (order.side === 'BUY' ? -1 : 1))
    return order.side === 'BUY' ? 'The stop must be below the target.' : 'The stop must be above the target.';
  return '';
}

const SHARES = [25, 50, 75, 100] as const;

function CloseDialog({ position }: { position: Position }): JSX.Element {
  const [units, setUnits] = useState(plain(position.units));
  const [alsoOrders, setAlso] = useState(false);
  const [isSending, setSending] = useState(false);
  const { instrument, side, broker } = position;
  const mine = session.value?.user?.email;
  const entries = desk.value.orders.list.filter(
    (order) => order.instrument === instrument && isCancellable(order) && (order.placedBy === mine || session.value?.mayAdmin),
  );
  const done = (): void => void (closing.value = null);
  const [wanted, all] = [parseDecimal(units), parseDecimal(position.units)];
  const isAll = wanted !== null && all !== null && compare(wanted, all) === 0;
  const fault = !wanted || wanted.units <= 0n ? 'How many units?' : all && compare(wanted, all) > 0 ? `Only ${position.units} are open.` : '';

  const send = async (): Promise<void> => {
    setSending(true);
    await close(position, isAll ? null : units.trim(), alsoOrders ? entries : []);
    done();
  };

  const step = instruments.value.get(instrument)?.step ?? { units: 1n, scale: 0 };
  const share = (percent: number): string => {
    if (!all || percent === 100) return plain(position.units);
    const part = multiply(all, { units: BigInt(percent), scale: 2 });
    return toShortText(multiply(divide(neighbours(part, step)[0], step, 0), step));
  };

  return (
    <Dialog title={`Close ${side === 'SELL' ? 'short' : 'long'} ${instrument}`} kind={isLive(broker) ? 'live' : undefined} onClose={done}>
      <form
        class="dialog-text"
        onSubmit={(event) => {
          event.preventDefault();
          if (!fault) void send();
        }}
      >
        <p>
          {plain(position.units)} units at {price(position.averagePrice, instruments.value.get(instrument)?.decimals ?? usualDecimals(instrument))},{' '}
          {broker}. Closing all would bring {estimate(position)}.
        </p>
        <div class="field-grid">
          <label class="stacked">
            <span>Units to close</span>
            <input
              class="input num"
              type="text"
              inputMode="decimal"
              maxLength={24}
              value={units}
              onInput={(event) => setUnits(event.currentTarget.value)}
            />
          </label>
          <div class="stacked">
            <span>Or a share</span>
            <div class="chips">
              {SHARES.map((percent) => (
                <button key={percent} type="button" class="chip" onClick={() => setUnits(share(percent))}>
                  {percent} %
                </button>
              ))}
            </div>
          </div>
        </div>
        {entries.length > 0 && (
          <label class="check">
            <input type="checkbox" checked={alsoOrders} onChange={(event) => setAlso(event.currentTarget.checked)} />
            Also cancel its {entries.length === 1 ? 'resting entry' : `${entries.length} resting entries`}
          </label>
        )}
        <p class="field-note">The oldest bracket goes first; its stop and target go with it.</p>
        <p class="field-fault" role="status">
          {fault}
        </p>
        <footer class="dialog-foot">
          <button type="button" class="button" autofocus onClick={done}>
            Keep it open
          </button>
          <button type="submit" class="button" data-kind="danger" disabled={isSending || fault !== ''}>
            {isSending ? 'Sending …' : `Close ${isAll ? 'all' : (wanted && toText(wanted)) || ''} ${instrument}${isLive(broker) ? ', LIVE' : ''}`}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}

/** A line of the feed, or an order, in full: the order's figures, its timeline, the event as it was journalled, and a way back to its place. */

import type { JSX } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { showUpTo } from '../app/feed-history';
import { change, openLine } from '../app/feed-view';
import { brokerOf, closeStory, openedOrder, openStory, type OrderStory, story } from '../app/order-detail';
import { zoneOf, zoneSetting } from '../app/settings';
import { instruments } from '../app/store';
import { type Line, wordsOf } from '../core/feed';
import { NO_FILTER } from '../core/filter';
import { averagePrice, dateTime, plain, price, signedMoney, timeOfDay } from '../core/format';
import { ICONS } from '../core/icons';
import { tell, usualDecimals } from '../core/narrate';
import { oneLine, words } from '../core/text';
import { isRecord, type Json, type Payload, readEvent } from '../core/wire';
import { Dialog } from './Dialog';
import { Drawing, LineIcon } from './icons';

export function Detail(): JSX.Element | null {
  const line = openLine.value;
  const opened = openedOrder.value;
  const told = story.value;
  useEffect(() => {
    if (line) openStory(line);
  }, [line]);
  if (!line && !opened) return null;
  const zone = zoneOf(zoneSetting.value);
  const title = line ? oneLine(line.parts[0]?.text) : (opened?.orderId ?? '');
  return (
    <Dialog title={title} kind="wide" onClose={closeStory}>
      <div class="detail">
        {line && (
          <p class="detail-line">
            {dateTime(line.ts, zone)} {ICONS[line.icon].glyph} {wordsOf(line)}
          </p>
        )}
        {told && <Story told={told} zone={zone} />}
        {line?.event && <Raw label="The event as it was journalled" value={{ ...line.event, id: line.event.id } as unknown as Json} />}
        {told?.order && <Raw label="The order as the server has it" value={told.order} />}
        {line && (
          <footer class="dialog-foot">
            <button
              type="button"
              class="button"
              onClick={() => {
                closeStory();
                void viewInContext(line);
              }}
            >
              View in context
            </button>
            {line.orderId && (
              <button
                type="button"
                class="button"
                onClick={() => {
                  closeStory();
                  change({ ...NO_FILTER, text: line.orderId });
                }}
              >
                Only this order
              </button>
            )}
          </footer>
        )}
      </div>
    </Dialog>
  );
}

/** A line of the feed is found in it; one of an earlier page stands last on the page that ends with it. */
async function viewInContext(line: Line): Promise<void> {
  const isEarlier = line.order < 0 && line.event !== null;
  change(NO_FILTER);
  const found = isEarlier && line.event && (await showUpTo(line.event.id));
  if (!isEarlier || found) requestAnimationFrame(() => showInContext(isEarlier ? -1 : line.order));
}

/** Bring a line into the middle of the feed and let it be seen. */
function showInContext(order: number): void {
  const row = document.querySelector<HTMLElement>(`.line[data-order="${order}"]`);
  row?.scrollIntoView({ block: 'center' });
  row?.querySelector<HTMLElement>('button')?.focus({ preventScroll: true });
}

const STATES: Record<OrderStory['state'], string> = {
  loading: 'Asking for the order …',
  ok: '',
  absent: 'The server does not know this order any more.',
  down: 'The order cannot be asked for now.',
  locked: 'Log in to see the order.',
};

function Story({ told, zone }: { told: OrderStory; zone: string }): JSX.Element {
  if (!told.order) return <p class="empty">{STATES[told.state]}</p>;
  const { order } = told;
  const events = Array.isArray(order['events']) ? order['events'].filter(isRecord) : [];
  return (
    <>
      <Facts order={order} zone={zone} />
      {events.length > 0 && (
        <section aria-label="Timeline">
          <h3 class="detail-head">Timeline</h3>
          <ol class="timeline">
            {events.map((one, i) => (
              <Step key={i} value={one} broker={told.broker} zone={zone} />
            ))}
          </ol>
        </section>
      )}
    </>
  );
}

function Facts({ order, zone }: { order: Payload; zone: string }): JSX.Element {
  const name = oneLine(order['instrument'], 40);
  const places = instruments.value.get(name)?.decimals ?? usualDecimals(name);
  const at = (field: string): string => (order[field] ? dateTime(oneLine(order[field]), zone) : '');
  const facts: [string, string][] = [
    ['Order', `${oneLine(order['side'])} ${plain(order['units'])} ${name}, ${oneLine(order['entry_type'])}`],
    ['Status', [oneLine(order['status']), words(order['close_reason'])].filter(Boolean).join(', ')],
    ['Entry', order['entry_price'] === null ? 'at market' : price(order['entry_price'], places)],
    ['Stop / target', `${price(order['stop_loss_price'], places)} / ${price(order['take_profit_price'], places)}`],
    [
      'In / out',
      order['average_entry_price'] ? `${averagePrice(order['average_entry_price'], places)} / ${averagePrice(order['average_exit_price'], places)}` : '',
    ],
    ['Realised P&L', `${signedMoney(order['realized_pnl'])}, fees ${plain(order['fees'])}`],
    ['Guarded by', oneLine(order['protection'])],
    ['Quality', plain(order['quality_score'])],
    ['Placed', [at('placed_at'), oneLine(order['placed_by'])].filter(Boolean).join(', by ')],
    ['Opened', at('opened_at')],
    ['Closed', at('closed_at')],
    ['Your id', oneLine(order['client_order_id'])],
  ];
  return (
    <dl class="facts">
      {facts
        .filter(([, value]) => value !== '')
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}

function Step({ value, broker, zone }: { value: Payload; broker: string; zone: string }): JSX.Element {
  const event = readEvent({ source: broker || brokerOf(oneLine(value['order_id'])), ...value }, '');
  if (!event) return <li>{oneLine(value['type'])}</li>;
  const telling = tell(event, (name) => instruments.value.get(name)?.decimals ?? usualDecimals(name));
  return (
    <li class="step" data-tone={telling.tone}>
      <time title={event.ts}>{timeOfDay(event.ts, zone)}</time> <LineIcon name={telling.icon} /> {telling.parts.map((part) => part.text).join(' ')}
    </li>
  );
}

function Raw({ label, value }: { label: string; value: Json }): JSX.Element {
  const [isCopied, setCopied] = useState(false);
  const text = JSON.stringify(value, null, 2);
  return (
    <details class="raw">
      <summary>{label}</summary>
      <div class="raw-box">
        <button
          type="button"
          class="tool raw-copy"
          onClick={() => {
            void navigator.clipboard?.writeText(text).then(() => setCopied(true));
          }}
        >
          <Drawing name="copy" size={13} />
          {isCopied ? 'Copied' : 'Copy'}
        </button>
        <pre tabIndex={0}>{text}</pre>
      </div>
    </details>
  );
}

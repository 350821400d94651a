/** Positions and orders as the servers tell them, each row with what can be done about it; fills and closed trades beside them. */

import type { JSX } from 'preact';
import { useState } from 'preact/hooks';
import { openDialog } from '../app/dialogs';
import { closing, modifying } from '../app/modifying';
import { openOrder } from '../app/order-detail';
import { cancel, cancelAll, close, closeAll, isOneClick } from '../app/orders';
import { fillPages, orderPages, tradePages } from '../app/pages';
import { bookTab } from '../app/settings';
import { desk, now, quotes, serverNow, session } from '../app/store';
import { loadDesk } from '../app/sync';
import { isCancellable, isWorking, type Order, type Position } from '../core/desk';
import { age, averagePrice, countdown, price, signedMoney, signOf } from '../core/format';
import { isStale } from '../core/quotes';
import { capital, words } from '../core/text';
import { decimalsOf, Name, SideWord, Trouble } from './cells';
import { Fills, Trades } from './History';
import { Drawing } from './icons';
import { PageSteps } from './PageSteps';
import { type Column, Table } from './Table';

type Tab = 'positions' | 'orders' | 'fills' | 'trades';

export function Book(): JSX.Element {
  const { positions, orders } = desk.value;
  const tab = bookTab.value;
  const counts = { positions: positions.list.length, orders: orders.list.filter(isWorking).length };
  return (
    <section class="panel book" aria-labelledby="book-title">
      <h2 id="book-title" class="unseen">
        Positions and orders
      </h2>
      <div class="panel-head book-head">
        <div class="tabs" role="tablist" aria-label="The book" onKeyDown={moveTab}>
          {(['positions', 'orders', 'fills', 'trades'] as const).map((one) => (
            <button
              key={one}
              type="button"
              role="tab"
              id={`tab-${one}`}
              class="tab"
              aria-selected={tab === one}
              aria-controls="book-body"
              tabIndex={tab === one ? 0 : -1}
              onClick={() => choose(one)}
            >
              {capital(one)}
              {(one === 'positions' || one === 'orders') && counts[one] > 0 && <span class="tab-count">{counts[one]}</span>}
            </button>
          ))}
        </div>
        <div class="panel-tools">
          <button type="button" class="tool" onClick={() => openDialog('performance')}>
            <Drawing name="chart" size={14} />
            <span class="tool-text">Performance</span>
          </button>
        </div>
      </div>
      <div id="book-body" class="book-body" role="tabpanel" aria-labelledby={`tab-${tab}`} tabIndex={0}>
        {tab === 'positions' && <Positions />}
        {tab === 'orders' && <Orders />}
        {tab === 'fills' && <Fills />}
        {tab === 'trades' && <Trades />}
      </div>
    </section>
  );
}

function choose(tab: Tab): void {
  for (const pages of [orderPages, fillPages, tradePages]) pages.newest();
  bookTab.value = tab;
  loadDesk();
}

function moveTab(event: KeyboardEvent): void {
  const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
  if (!step) return;
  const tabs = [...(event.currentTarget as HTMLElement).querySelectorAll<HTMLElement>('[role=tab]')];
  const next = tabs[(tabs.indexOf(document.activeElement as HTMLElement) + step + tabs.length) % tabs.length];
  next?.click();
  next?.focus();
}

const GUARDS: ReadonlyMap<string, string> = new Map([
  ['venue', 'at the venue'],
  ['adapter', 'by the adapter'],
]);

function Guard({ protection }: { protection: string }): JSX.Element {
  const by = GUARDS.get(protection);
  return by ? (
    <span class="tag" title="Who guards its stop">
      {by}
    </span>
  ) : (
    <span class="tag" data-kind="alarm" title="Nobody guards its stop">
      NO STOP
    </span>
  );
}

function Positions(): JSX.Element {
  const { positions } = desk.value;
  const mayTrade = session.value?.mayTrade ?? false;
  const columns: Column<Position>[] = [
    {
      name: 'Instrument',
      sort: (a) => a.instrument,
      cell: (one) => <Name name={one.instrument} sub={<SideWord side={one.side} units={one.units} long />} />,
    },
    {
      name: 'Price',
      kind: 'num',
      cell: (one) => (
        <>
          <span class="cell-main">{price(one.price, decimalsOf(one.instrument))}</span>
          <span class="cell-sub">avg {averagePrice(one.averagePrice, decimalsOf(one.instrument))}</span>
        </>
      ),
    },
    { name: 'Open P&L', kind: 'num', sort: (a) => Number(a.openPnl), cell: (one) => <OpenProfit position={one} /> },
    { name: 'Stop guarded', kind: 'wide', sort: (a) => a.protection, cell: (one) => <Guard protection={one.protection} /> },
  ];
  if (mayTrade) {
    columns.push({
      name: 'Actions',
      kind: 'actions',
      cell: (one) => (
        <button
          type="button"
          class="tool row-tool"
          onClick={() => (isOneClick(one.broker) ? void close(one, null, []) : (closing.value = one))}
          aria-label={`Close ${one.instrument}`}
        >
          Close
        </button>
      ),
    });
  }
  return (
    <>
      <Trouble part={positions} what="positions" />
      {positions.list.length > 0 ? (
        <Table label="Positions" columns={columns} rows={positions.list} keyOf={(one) => `${one.broker} ${one.instrument} ${one.side}`} />
      ) : (
        positions.fetched === 'ok' && positions.unavailable.length === 0 && <p class="empty">Flat: no open position.</p>
      )}
      {mayTrade && positions.list.length > 1 && (
        <p class="book-more">
          <button type="button" class="tool" onClick={() => void closeAll(positions.list)}>
            Close all {positions.list.length}
          </button>
        </p>
      )}
    </>
  );
}

/** Profit at an old price is an old profit, and looks it. */
function OpenProfit({ position }: { position: Position }): JSX.Element {
  const quote = quotes.value.get(position.instrument);
  const old = position.isStale || !quote || isStale(quote, now.value) || desk.value.positions.fetched !== 'ok';
  return (
    <>
      <span class="cell-main" data-sign={signOf(position.openPnl)} data-old={old}>
        {signedMoney(position.openPnl, position.currency)}
      </span>
      <span class="cell-sub">{old ? `${position.currency}, old price` : position.currency}</span>
    </>
  );
}

function Orders(): JSX.Element {
  const { orders } = desk.value;
  const [all, setAll] = useState(false);
  const mayTrade = session.value?.mayTrade ?? false;
  const older = orderPages.shown.value;
  const rows = older ? older.rows : all ? orders.list : orders.list.filter(isWorking);
  const mine = mayTrade ? orders.list.filter((one) => isCancellable(one) && isMine(one)) : [];
  const columns: Column<Order>[] = [
    {
      name: 'Order',
      sort: (a) => a.instrument,
      cell: (one) => (
        <Name
          name={one.instrument}
          sub={
            <button type="button" class="cell-link" onClick={() => openOrder(one.broker, one.orderId)}>
              {one.orderId || one.clientOrderId}
            </button>
          }
        />
      ),
    },
    {
      name: 'Entry',
      cell: (one) => (
        <>
          <SideWord side={one.side} units={one.units} />
          <span class="cell-sub">{entryWords(one)}</span>
        </>
      ),
    },
    {
      name: 'Stop / target',
      kind: 'num',
      cell: (one) => (
        <>
          <span class="cell-main cell-stop">{price(one.stop, decimalsOf(one.instrument))}</span>
          <span class="cell-sub cell-target">{price(one.target, decimalsOf(one.instrument))}</span>
        </>
      ),
    },
    { name: 'Status', sort: (a) => a.status, cell: (one) => <Status order={one} /> },
    { name: 'By', kind: 'wide', sort: (a) => a.placedBy, cell: (one) => <span class="cell-by">{one.placedBy}</span> },
  ];
  if (mayTrade) columns.push({ name: 'Actions', kind: 'actions', cell: (one) => <OrderActions order={one} /> });
  return (
    <>
      <Trouble part={orders} what="orders" />
      {rows.length > 0 ? (
        <Table label="Orders" columns={columns} rows={rows} keyOf={(one) => one.orderId || one.clientOrderId} />
      ) : (
        orders.fetched === 'ok' && <p class="empty">No {all ? '' : 'working '}order.</p>
      )}
      {(all || older) && <PageSteps pages={orderPages} next={orders.next} what="orders" />}
      {orders.list.length > 0 && !older && (
        <p class="book-more">
          <button type="button" class="tool" aria-pressed={all} onClick={() => setAll(!all)}>
            {all ? 'Only working orders' : 'Also ended orders'}
          </button>
          {mine.length > 1 && (
            <button type="button" class="tool" onClick={() => void cancelAll(mine)}>
              Cancel all {mine.length} entries
            </button>
          )}
        </p>
      )}
    </>
  );
}

function entryWords(order: Order): string {
  if (order.status === 'OPEN' && order.averageEntry) return `in at ${averagePrice(order.averageEntry, decimalsOf(order.instrument))}`;
  return order.entry === null ? order.entryType : `${order.entryType} ${price(order.entry, decimalsOf(order.instrument))}`;
}

function Status({ order }: { order: Order }): JSX.Element {
  const left = order.ttlExpiresAt === null ? 0 : order.ttlExpiresAt * 1000 - serverNow.value;
  const sub =
    order.status === 'PENDING' && left > 0
      ? `${left > 86_400_000 ? age(left) : countdown(left)} left`
      : words(order.closeReason || order.cancelReason);
  return (
    <>
      <span class="status" data-status={order.status}>
        {order.status.replaceAll('_', ' ')}
      </span>
      {order.status === 'OPEN' && <Guard protection={order.protection} />}
      {sub && <span class="cell-sub">{sub}</span>}
    </>
  );
}

/** Changing somebody else's order needs an admin: who is none sees no button for it. */
function isMine(order: Order): boolean {
  const me = session.value;
  return order.placedBy === me?.user?.email || (me?.mayAdmin ?? false);
}

function OrderActions({ order }: { order: Order }): JSX.Element | null {
  if (!isWorking(order) || !isMine(order)) return null;
  return (
    <>
      <button type="button" class="tool row-tool" onClick={() => (modifying.value = { order, changes: {} })} aria-label={`Change ${order.orderId}`}>
        Change
      </button>
      {isCancellable(order) && (
        <button type="button" class="tool row-tool" onClick={() => void cancel(order)} aria-label={`Cancel ${order.orderId}`}>
          Cancel
        </button>
      )}
    </>
  );
}

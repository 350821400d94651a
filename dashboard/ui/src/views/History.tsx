/** What has happened: fills, and the trades that came of them. */

import type { JSX } from 'preact';
import { openOrder } from '../app/order-detail';
import { fillPages, tradePages } from '../app/pages';
import { zoneOf, zoneSetting } from '../app/settings';
import { desk, serverNow } from '../app/store';
import type { Fill, Trade } from '../core/desk';
import { averagePrice, dateTime, dayOf, plain, price, signedMoney, signOf, timeOfDay } from '../core/format';
import { capital, words } from '../core/text';
import { decimalsOf, Name, SideWord, Trouble } from './cells';
import { PageSteps } from './PageSteps';
import { type Column, Table } from './Table';

export function Fills(): JSX.Element {
  const { fills } = desk.value;
  const rows = fillPages.shown.value?.rows ?? fills.list;
  const zone = zoneOf(zoneSetting.value);
  const today = dayOf(serverNow.value, zone);
  const columns: Column<Fill>[] = [
    { name: 'Time', sort: (a) => a.at, cell: (one) => <time title={one.at}>{dayOf(one.at, zone) === today ? timeOfDay(one.at, zone) : dateTime(one.at, zone)}</time> },
    { name: 'Instrument', sort: (a) => a.instrument, cell: (one) => <Name name={one.instrument} sub={<OrderLink orderId={one.orderId} />} /> },
    { name: 'Leg', cell: (one) => capital(words(one.leg)) },
    { name: 'Units', kind: 'num', cell: (one) => <SideWord side={one.side} units={one.units} /> },
    { name: 'Price', kind: 'num', cell: (one) => price(one.price, decimalsOf(one.instrument)) },
    {
      name: 'P&L',
      kind: 'num',
      sort: (a) => Number(a.realizedPnl),
      cell: (one) => <span data-sign={signOf(one.realizedPnl)}>{signedMoney(one.realizedPnl)}</span>,
    },
    { name: 'Fee', kind: 'wide', cell: (one) => plain(one.fee) },
  ];
  return (
    <>
      <Trouble part={fills} what="fills" />
      {rows.length > 0 ? (
        <Table label="Fills" columns={columns} rows={rows} keyOf={(one) => one.fillId} />
      ) : (
        fills.fetched === 'ok' && <p class="empty">No fill yet.</p>
      )}
      <PageSteps pages={fillPages} next={fills.next} what="fills" />
    </>
  );
}

function OrderLink({ orderId }: { orderId: string }): JSX.Element {
  return (
    <button type="button" class="cell-link" onClick={() => openOrder(orderId.split('-')[1] ?? '', orderId)}>
      {orderId}
    </button>
  );
}

export function Trades(): JSX.Element {
  const { trades } = desk.value;
  const rows = tradePages.shown.value?.rows ?? trades.list;
  const zone = zoneOf(zoneSetting.value);
  const columns: Column<Trade>[] = [
    { name: 'Closed', sort: (a) => a.closedAt, cell: (one) => <time title={one.closedAt}>{dateTime(one.closedAt, zone)}</time> },
    { name: 'Instrument', sort: (a) => a.instrument, cell: (one) => <Name name={one.instrument} sub={<OrderLink orderId={one.orderId} />} /> },
    { name: 'Units', kind: 'num', cell: (one) => <SideWord side={one.side} units={one.units} /> },
    {
      name: 'In / out',
      kind: 'num',
      cell: (one) => (
        <>
          <span class="cell-main">{averagePrice(one.entry, decimalsOf(one.instrument))}</span>
          <span class="cell-sub">{averagePrice(one.exit, decimalsOf(one.instrument))}</span>
        </>
      ),
    },
    {
      name: 'P&L',
      kind: 'num',
      sort: (a) => Number(a.netPnl),
      cell: (one) => (
        <>
          <span class="cell-main" data-sign={signOf(one.netPnl)}>
            {signedMoney(one.netPnl)}
          </span>
          <span class="cell-sub">{one.rMultiple === null ? '' : `${signedMoney(one.rMultiple)} R`}</span>
        </>
      ),
    },
    { name: 'Why', kind: 'wide', sort: (a) => a.closeReason, cell: (one) => capital(words(one.closeReason)) },
  ];
  return (
    <>
      <Trouble part={trades} what="closed trades" />
      {rows.length > 0 ? (
        <Table label="Closed trades" columns={columns} rows={rows} keyOf={(one) => one.orderId} />
      ) : (
        trades.fetched === 'ok' && <p class="empty">No closed trade yet.</p>
      )}
      <PageSteps pages={tradePages} next={trades.next} what="trades" />
    </>
  );
}

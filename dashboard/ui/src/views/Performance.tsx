/** How it went: equity and drawdown, and the closed trades by instrument, quality and hour. Every table can be taken home. */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { closeDialog } from '../app/dialogs';
import { save, saveText } from '../app/download';
import { loadRecord, record } from '../app/performance';
import { zoneOf, zoneSetting } from '../app/settings';
import { brokers } from '../app/sync';
import { chartColours } from '../chart/colours';
import type { EquityChart } from '../chart/equity-chart';
import type { Trade } from '../core/desk';
import { money, NOTHING, signedMoney, signOf, timeOfDay } from '../core/format';
import { type EquityPoint, type Group, groupBy, maxDrawdown, qualityBucket, summarize, toCsv } from '../core/performance';
import { Dialog } from './Dialog';
import { Table } from './Table';

export function Performance(): JSX.Element {
  const names = brokers();
  const [broker, setBroker] = useState(names[0] ?? '');
  useEffect(() => void loadRecord(broker), [broker]);
  const known = record.value;
  return (
    <Dialog title="Performance" kind="wide" onClose={closeDialog}>
      <div class="dialog-text">
        <div class="segments" role="radiogroup" aria-label="Account">
          {names.map((name) => (
            <label key={name} class="segment">
              <input type="radio" name="account" value={name} checked={broker === name} onChange={() => setBroker(name)} />
              <span>{name}</span>
            </label>
          ))}
        </div>
        {!known || known.state === 'loading' ? (
          <p class="empty">Asking for trades and equity …</p>
        ) : known.state === 'down' ? (
          <p class="empty">The gateway does not answer for {broker}.</p>
        ) : (
          <>
            <Equity points={known.equity} />
            {known.trades.length === 0 ? <p class="empty">No closed trade yet at {broker}: figures come with the first.</p> : <Figures trades={known.trades} broker={broker} />}
            {known.isCut && <p class="field-note">Only the newest two thousand are reckoned with here; the exports have all.</p>}
          </>
        )}
        <footer class="dialog-foot">
          <button type="button" class="button" onClick={() => void save('/api/export/trades.csv', 'arena-trades.csv')}>
            All trades as CSV
          </button>
          <button type="button" class="button" onClick={() => void save('/api/export/trades.pdf', 'arena-trades.pdf')}>
            Report as PDF
          </button>
        </footer>
      </div>
    </Dialog>
  );
}

function Equity({ points }: { points: readonly EquityPoint[] }): JSX.Element | null {
  const box = useRef<HTMLDivElement>(null);
  const enough = points.length > 1;
  useEffect(() => {
    let chart: EquityChart | null = null;
    let gone = false;
    if (enough) {
      void import('../chart/equity-chart').then(({ EquityChart: Chart }) => {
        if (gone || !box.current) return;
        chart = new Chart(box.current, chartColours(box.current));
        chart.show(points);
      });
    }
    return () => {
      gone = true;
      chart?.destroy();
    };
  }, [points]);
  if (!enough) return null;
  const fall = maxDrawdown(points);
  return (
    <figure class="equity">
      <div class="equity-canvas" ref={box} role="img" aria-label="Equity over time, and below it the distance from its high" />
      <figcaption class="field-note">
        Equity {money(points.at(-1)?.equity)}; deepest fall from a high {money(fall.money)} ({fall.percent} %).{' '}
        <button
          type="button"
          class="cell-link"
          onClick={() => saveText(toCsv(['time', 'equity'], points.map(({ time, equity }) => [new Date(time * 1000).toISOString(), equity])), 'arena-equity.csv')}
        >
          As CSV
        </button>
      </figcaption>
    </figure>
  );
}

function Figures({ trades, broker }: { trades: readonly Trade[]; broker: string }): JSX.Element {
  const zone = zoneOf(zoneSetting.value);
  const total = summarize(trades);
  const facts: readonly (readonly [string, string, string?])[] = [
    ['Net result', signedMoney(total.net), total.net],
    ['Trades', `${total.count}`],
    ['Won', `${total.wins} (${total.winRate} %)`],
    ['Average R', total.averageR ? signedMoney(total.averageR) : NOTHING, total.averageR],
    ['Profit factor', total.profitFactor || NOTHING],
    ['Best / worst', `${signedMoney(total.best)} / ${signedMoney(total.worst)}`],
  ];
  return (
    <>
      <dl class="reckoning performance-figures">
        {facts.map(([label, value, sign]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <span data-sign={sign === undefined ? undefined : signOf(sign)}>{value}</span>
            </dd>
          </div>
        ))}
      </dl>
      <Groups title="By instrument" file={`${broker}-by-instrument`} groups={groupBy(trades, (trade) => trade.instrument)} />
      <Groups title="By quality" file={`${broker}-by-quality`} groups={groupBy(trades, qualityBucket)} />
      <Groups title={`By hour of closing, ${zone}`} file={`${broker}-by-hour`} groups={groupBy(trades, (trade) => `${timeOfDay(trade.closedAt, zone).slice(0, 2)}:00`)} />
      <Groups title="By ending" file={`${broker}-by-ending`} groups={groupBy(trades, (trade) => trade.closeReason)} />
    </>
  );
}

function Groups({ title, file, groups }: { title: string; file: string; groups: readonly Group[] }): JSX.Element {
  const csv = (): string => toCsv(['name', 'trades', 'wins', 'net', 'average_r'], groups.map((one) => [one.name, String(one.count), String(one.wins), one.net, one.averageR]));
  return (
    <section aria-label={title}>
      <h3 class="detail-head">
        {title}{' '}
        <button type="button" class="cell-link" onClick={() => saveText(csv(), `arena-${file}.csv`)}>
          As CSV
        </button>
      </h3>
      <Table
        label={title}
        rows={groups}
        keyOf={(one) => one.name}
        columns={[
          { name: 'Name', sort: (one) => one.name, cell: (one) => one.name },
          { name: 'Trades', kind: 'num', sort: (one) => one.count, cell: (one) => one.count },
          { name: 'Won', kind: 'num', sort: (one) => one.wins, cell: (one) => one.wins },
          { name: 'Net', kind: 'num', sort: (one) => Number(one.net), cell: (one) => <span data-sign={signOf(one.net)}>{signedMoney(one.net)}</span> },
          { name: 'Average R', kind: 'num', sort: (one) => Number(one.averageR), cell: (one) => (one.averageR ? signedMoney(one.averageR) : NOTHING) },
        ]}
      />
    </section>
  );
}

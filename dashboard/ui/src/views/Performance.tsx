/** How it went: equity and drawdown, and the server's figures over closed trades by instrument, quality, hour and weekday. Each table can be taken home. */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { closeDialog } from '../app/dialogs';
import { save, saveText } from '../app/download';
import { loadRecord, record } from '../app/performance';
import { brokers } from '../app/sync';
import { chartColours } from '../chart/colours';
import type { EquityChart } from '../chart/equity-chart';
import { multiply, parseDecimal, rounded, toText } from '../core/decimal';
import { money, NOTHING, plain, signedMoney, signOf } from '../core/format';
import { type EquityPoint, type Figures, type Grouping, type Performance as Performed, toCsv } from '../core/performance';
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
          <p class="empty">Asking for figures and equity …</p>
        ) : (
          <>
            <Equity points={known.equity} />
            {known.performance ? (
              <Reckoned performance={known.performance} broker={broker} />
            ) : (
              <p class="empty">
                {known.state === 'absent' ? 'This arena does not reckon its performance yet.' : `The gateway does not answer for ${broker}.`}
              </p>
            )}
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
  return (
    <figure class="equity">
      <div class="equity-canvas" ref={box} role="img" aria-label="Equity over time, and below it the distance from its high" />
      <figcaption class="field-note">
        Equity {money(points.at(-1)?.equity)}, and below it how far under its high it stands.{' '}
        <button
          type="button"
          class="cell-link"
          onClick={() =>
            saveText(
              toCsv(
                ['time', 'equity'],
                points.map(({ time, equity }) => [new Date(time * 1000).toISOString(), equity]),
              ),
              'arena-equity.csv',
            )
          }
        >
          As CSV
        </button>
      </figcaption>
    </figure>
  );
}

function Reckoned({ performance, broker }: { performance: Performed; broker: string }): JSX.Element {
  const { total, currency, groups } = performance;
  if (total.trades === 0) return <p class="empty">No closed trade yet at {broker}: figures come with the first.</p>;
  const facts: readonly (readonly [string, string, (string | null)?])[] = [
    [`Net result, ${currency}`, signedMoney(total.net, currency), total.net],
    ['Trades', `${total.trades}, ${total.wins} won, ${total.losses} lost`],
    ['Won', percent(total.winRate)],
    ['Expectancy', `${signedMoney(total.expectancy, currency)} (${signed(total.expectancyR)} R)`, total.expectancy],
    ['Profit factor', plain(total.profitFactor)],
    ['Deepest fall of the result', money(total.drawdownMax, currency)],
    ['Best / worst', `${signedMoney(total.best, currency)} / ${signedMoney(total.worst, currency)}`],
    ['Fees', money(total.fees, currency)],
    ['In a row', total.streak === 0 ? NOTHING : `${Math.abs(total.streak)} ${total.streak > 0 ? 'won' : 'lost'}`],
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
      {[...groups].map(
        ([by, list]) => list.length > 0 && <Groups key={by} title={TITLES[by]} file={`${broker}-by-${by}`} groups={list} currency={currency} />,
      )}
    </>
  );
}

const TITLES: Readonly<Record<Grouping, string>> = {
  instrument: 'By instrument',
  quality: 'By quality score',
  hour: 'By hour of opening, UTC',
  weekday: 'By weekday of opening, UTC',
};

function signed(value: string | null): string {
  return value === null ? NOTHING : signedMoney(value);
}

/** A share of one as a share of a hundred, by moving its point: `0.6667` → `67 %`. */
function percent(share: string | null): string {
  const value = parseDecimal(share ?? '');
  return value ? `${toText(rounded(multiply(value, { units: 100n, scale: 0 }), 0))} %` : NOTHING;
}

function Groups({ title, file, groups, currency }: { title: string; file: string; groups: readonly Figures[]; currency: string }): JSX.Element {
  const csv = (): string =>
    toCsv(
      ['name', 'trades', 'wins', 'losses', 'net_pnl', 'fees', 'win_rate', 'expectancy_r', 'profit_factor'],
      groups.map((one) => [
        one.name,
        String(one.trades),
        String(one.wins),
        String(one.losses),
        one.net ?? '',
        one.fees ?? '',
        one.winRate ?? '',
        one.expectancyR ?? '',
        one.profitFactor ?? '',
      ]),
    );
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
          { name: 'Name', cell: (one) => one.name },
          { name: 'Trades', kind: 'num', sort: (one) => one.trades, cell: (one) => one.trades },
          { name: 'Won', kind: 'num', sort: (one) => Number(one.winRate), cell: (one) => percent(one.winRate) },
          {
            name: 'Net',
            kind: 'num',
            sort: (one) => Number(one.net),
            cell: (one) => <span data-sign={signOf(one.net)}>{signedMoney(one.net, currency)}</span>,
          },
          { name: 'R each', kind: 'num', sort: (one) => Number(one.expectancyR), cell: (one) => signed(one.expectancyR) },
        ]}
      />
    </section>
  );
}

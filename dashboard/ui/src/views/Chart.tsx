/**
 * The chart of the chosen instrument. Its library is fetched when the chart is first drawn, so that prices and words need not wait for it.
 *
 * A stop or a target can be taken hold of and moved; on release the change is asked about, then sent. The orders table does the same by key.
 */

import type { JSX } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { bracketsOf, chartData, chartFills, chartLines, followChart, LABELLED_MAX, lastCandle } from '../app/chart-data';
import { modifying } from '../app/modifying';
import { fitBrackets, granularity, palette, selectedInstrument, theme, zoneOf, zoneSetting } from '../app/settings';
import { desk, instruments, quotes, session } from '../app/store';
import type { ArenaChart, ChartLine } from '../chart/arena-chart';
import { chartColours } from '../chart/colours';
import { GRANULARITIES, type Granularity } from '../core/candles';
import { multiply, parseDecimal, rounded, divide, toText } from '../core/decimal';
import { price } from '../core/format';
import type { Instrument } from '../core/instruments';
import { assetClassOf, usualDecimals } from '../core/narrate';
import { Drawing } from './icons';

export function Chart(): JSX.Element {
  const name = selectedInstrument.value;
  const quote = quotes.value.get(name);
  const decimals = instruments.value.get(name)?.decimals ?? usualDecimals(name);
  return (
    <section class="panel chart" aria-labelledby="chart-title">
      <header class="panel-head">
        <h2 id="chart-title" class="panel-title chart-name" data-class={assetClassOf(name)}>
          {name}
        </h2>
        {quote && (
          <span class="chart-quote">
            {price(quote.bid, decimals)} <span class="unit">/</span> {price(quote.ask, decimals)}
          </span>
        )}
        <div class="panel-tools">
          <div class="segments segments-small" role="radiogroup" aria-label="Length of a candle">
            {(Object.keys(GRANULARITIES) as Granularity[]).map((one) => (
              <label key={one} class="segment">
                <input type="radio" name="granularity" value={one} checked={granularity.value === one} onChange={() => (granularity.value = one)} />
                <span>{one}</span>
              </label>
            ))}
          </div>
          <button
            type="button"
            class="tool"
            aria-pressed={fitBrackets.value}
            onClick={() => (fitBrackets.value = !fitBrackets.value)}
            title="Keep entry, stop and target of open brackets in view"
          >
            <Drawing name="fit" size={14} />
            Fit brackets
          </button>
        </div>
      </header>
      <Canvas decimals={decimals} />
      <p class="chart-foot">
        <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">
          TradingView Lightweight Charts™
        </a>{' '}
        Copyright (c) 2025 TradingView, Inc.
      </p>
    </section>
  );
}

function Canvas({ decimals }: { decimals: number }): JSX.Element {
  const box = useRef<HTMLDivElement>(null);
  const chart = useArenaChart(box);
  const data = chartData.value;
  const drag = useDrag(chart, box);
  const shown = useRef('');

  useEffect(() => {
    const what = `${data.instrument} ${data.granularity}`;
    chart?.show(data.candles, decimals, shown.current === what && data.candles.length > 0);
    if (data.candles.length) shown.current = what;
  }, [chart, data, decimals]);
  const last = lastCandle.value;
  useEffect(() => {
    if (last && data.state === 'ok') chart?.update(last);
  }, [chart, last, data]);
  const lines = chartLines.value;
  const brackets = bracketsOf(data.instrument).length;
  useEffect(() => {
    if (!drag.isDragging) chart?.setLines(lines);
  }, [chart, lines, drag.isDragging]);
  const fills = chartFills.value;
  useEffect(() => chart?.setFills(fills), [chart, fills, data]);
  const fit = fitBrackets.value;
  useEffect(() => chart?.setFit(fit), [chart, fit]);
  const zone = zoneOf(zoneSetting.value);
  useEffect(() => chart?.setZone(zone), [chart, zone]);

  return (
    <div class="chart-frame">
      <div
        id="chart-canvas"
        class="chart-canvas"
        ref={box}
        role="img"
        aria-label={`Candles of ${data.instrument || 'the chosen instrument'}, with the lines of its open brackets`}
        data-candles={data.candles.length}
        data-grip={drag.canGrip}
        onPointerDownCapture={drag.onDown}
        onPointerMoveCapture={drag.onMove}
        onPointerUpCapture={drag.onUp}
        onPointerCancelCapture={drag.onCancel}
      />
      {brackets > LABELLED_MAX && (
        <p class="chart-labelled">
          {brackets} brackets, the newest {LABELLED_MAX} labelled
        </p>
      )}
      {data.state === 'down' && <p class="chart-note">Market data does not answer; it is asked again.</p>}
      {data.state === 'ok' && data.candles.length === 0 && !last && (
        <p class="chart-note">No candles yet for {data.instrument}: they are made from quotes as these come.</p>
      )}
      {drag.label && (
        <output class="drag-label" style={{ top: `${drag.y}px` }}>
          {drag.label}
        </output>
      )}
    </div>
  );
}

function useArenaChart(box: { current: HTMLDivElement | null }): ArenaChart | null {
  const [chart, setChart] = useState<ArenaChart | null>(null);
  useEffect(() => {
    let gone = false;
    let made: ArenaChart | null = null;
    followChart();
    void import('../chart/arena-chart').then(({ ArenaChart: Chart }) => {
      if (gone || !box.current) return;
      made = new Chart(box.current, chartColours(box.current));
      setChart(made);
    });
    return () => {
      gone = true;
      made?.destroy();
    };
  }, []);
  const [look, colours] = [theme.value, palette.value];
  useEffect(() => {
    const paint = (): void => {
      if (box.current) chart?.paint(chartColours(box.current));
    };
    paint();
    const system = matchMedia('(prefers-color-scheme: light)');
    system.addEventListener('change', paint);
    return () => system.removeEventListener('change', paint);
  }, [chart, look, colours]);
  return chart;
}

interface Drag {
  readonly isDragging: boolean;
  readonly canGrip: boolean;
  readonly label: string;
  readonly y: number;
  readonly onDown: (event: PointerEvent) => void;
  readonly onMove: (event: PointerEvent) => void;
  readonly onUp: (event: PointerEvent) => void;
  readonly onCancel: () => void;
}

/** Taking hold of a stop or target line, moving it on the grid of ticks, and letting go. */
function useDrag(chart: ArenaChart | null, box: { current: HTMLDivElement | null }): Drag {
  const [held, setHeld] = useState<ChartLine | null>(null);
  const [y, setY] = useState(0);
  const [canGrip, setGrip] = useState(false);
  const mayTrade = session.value?.mayTrade ?? false;

  const heightOf = (event: PointerEvent): number => event.clientY - (box.current?.getBoundingClientRect().top ?? 0);
  const end = (): void => {
    chart?.hold(false);
    setHeld(null);
  };
  const priceNow = held && chart ? onTick(chart.priceAt(y), instruments.value.get(selectedInstrument.value)) : null;

  return {
    isDragging: held !== null,
    canGrip,
    label: held && priceNow ? `${held.title} → ${priceNow}` : '',
    y,
    onDown: (event) => {
      const line = mayTrade && event.button === 0 ? chart?.lineAt(heightOf(event)) : null;
      if (!line || !chart) return;
      event.stopPropagation();
      event.preventDefault();
      box.current?.setPointerCapture(event.pointerId);
      chart.hold(true);
      setY(heightOf(event));
      setHeld(line);
    },
    onMove: (event) => {
      if (held) {
        event.stopPropagation();
        setY(heightOf(event));
      } else if (mayTrade) setGrip(chart?.lineAt(heightOf(event)) !== null);
    },
    onUp: (event) => {
      if (!held || !chart) return;
      event.stopPropagation();
      const order = desk.peek().orders.list.find(({ orderId }) => held.key.startsWith(`${orderId} `));
      if (order && priceNow && Number(priceNow) !== held.price)
        modifying.value = { order, changes: held.kind === 'stop' ? { stop: priceNow } : { target: priceNow } };
      end();
    },
    onCancel: end,
  };
}

/** The price on the grid that is nearest to a height on the chart, as exact text. */
function onTick(value: number | null, instrument: Instrument | undefined): string | null {
  if (value === null || !instrument) return null;
  const rough = parseDecimal(value.toFixed(instrument.decimals + 2));
  if (!rough) return null;
  return toText(rounded(multiply(divide(rough, instrument.tick, 0), instrument.tick), instrument.decimals));
}

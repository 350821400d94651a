/**
 * The chart, around TradingView's lightweight-charts: candles, the open brackets as labelled lines, fills as arrows, bid and ask.
 *
 * Knows nothing of the page: it is given values and colours. Two traps of the library are met here: price lines take no part in its autoscale
 * (so the scale is widened for them, where asked), and its attribution logo breaks the page's CSP (so it is off, and the notice and the link
 * that the licence asks for stand under the chart).
 */

import {
  type AutoscaleInfo,
  CandlestickSeries,
  createChart,
  createSeriesMarkers,
  type IChartApi,
  type IPriceLine,
  type ISeriesApi,
  type ISeriesMarkersPluginApi,
  LineStyle,
  type SeriesMarker,
  TickMarkType,
  type Time,
  type UTCTimestamp,
} from 'lightweight-charts';
import type { Candle } from '../core/candles';

export interface ChartColours {
  readonly back: string;
  readonly text: string;
  readonly grid: string;
  readonly up: string;
  readonly down: string;
  readonly entry: string;
  readonly bid: string;
  readonly onUp: string;
  readonly onDown: string;
  readonly onEntry: string;
  readonly font: string;
}

/** A line across the chart. `key` names what it stands for: its order and its leg. */
export interface ChartLine {
  readonly key: string;
  readonly kind: 'entry' | 'stop' | 'target' | 'bid' | 'ask';
  readonly price: number;
  readonly title: string;
  /** Whether its title and price stand at its end, or it is only drawn. */
  readonly isLabelled: boolean;
}

export interface FillMark {
  readonly time: number;
  readonly side: 'BUY' | 'SELL';
  readonly text: string;
}

/** How near a pointer must be to take hold of a line. */
const GRIP_PX = 6;
/** Room above and below everything shown. */
const MARGIN = { top: 0.08, bottom: 0.06 };

export class ArenaChart {
  private readonly chart: IChartApi;
  private readonly series: ISeriesApi<'Candlestick'>;
  private readonly markers: ISeriesMarkersPluginApi<Time>;
  private readonly lines = new Map<string, { line: IPriceLine; shown: ChartLine }>();
  private colours: ChartColours;
  private zone = 'UTC';
  private fit = false;
  private times: number[] = [];

  constructor(
    private readonly box: HTMLElement,
    colours: ChartColours,
  ) {
    this.colours = colours;
    this.chart = createChart(box, {
      autoSize: true,
      layout: { attributionLogo: false, fontSize: 11 },
      rightPriceScale: { borderVisible: false, scaleMargins: MARGIN, minimumWidth: 72 },
      timeScale: {
        borderVisible: false,
        timeVisible: true,
        secondsVisible: true,
        rightOffset: 6,
        tickMarkFormatter: (time: Time, type: TickMarkType) => this.tick(time, type),
      },
      localization: { timeFormatter: (time: Time) => this.moment(time) },
      crosshair: { mode: 0 },
    });
    this.series = this.chart.addSeries(CandlestickSeries, {
      autoscaleInfoProvider: (base: () => AutoscaleInfo | null) => this.scale(base),
      lastValueVisible: true,
    });
    this.markers = createSeriesMarkers(this.series, []);
    this.paint(colours);
  }

  paint(colours: ChartColours): void {
    this.colours = colours;
    this.chart.applyOptions({
      layout: { background: { color: colours.back }, textColor: colours.text, fontFamily: colours.font },
      grid: { vertLines: { color: colours.grid }, horzLines: { color: colours.grid } },
    });
    this.series.applyOptions({
      upColor: colours.up,
      downColor: colours.down,
      wickUpColor: colours.up,
      wickDownColor: colours.down,
      borderVisible: false,
      priceLineColor: colours.text,
    });
    for (const { line, shown } of this.lines.values()) line.applyOptions(this.lineStyle(shown));
  }

  /** A new picture: other instrument, other granularity, or candles asked for again. */
  show(candles: readonly Candle[], decimals: number, keepView: boolean): void {
    const view = keepView ? this.chart.timeScale().getVisibleLogicalRange() : null;
    const grew = candles.length - this.times.length;
    this.series.applyOptions({ priceFormat: { type: 'price', precision: decimals, minMove: 10 ** -decimals } });
    this.series.setData(candles.map((candle) => ({ ...candle, time: candle.time as UTCTimestamp })));
    this.times = candles.map(({ time }) => time);
    if (view && grew >= 0 && grew < 20) this.chart.timeScale().setVisibleLogicalRange({ from: view.from + grew, to: view.to + grew });
    else this.latest();
  }

  update(candle: Candle): void {
    if (candle.time < (this.times.at(-1) ?? 0)) return;
    if (candle.time > (this.times.at(-1) ?? 0)) this.times.push(candle.time);
    this.series.update({ ...candle, time: candle.time as UTCTimestamp });
  }

  /** The newest candles at a readable width. */
  latest(): void {
    const count = this.times.length;
    const fits = Math.max(30, Math.floor(this.box.clientWidth / 9));
    this.chart.timeScale().setVisibleLogicalRange({ from: count - fits, to: count + 6 });
    this.chart.priceScale('right').applyOptions({ autoScale: true });
  }

  setZone(zone: string): void {
    this.zone = zone;
    this.chart.applyOptions({});
  }

  /** Whether the scale makes room for the bracket lines. */
  setFit(fit: boolean): void {
    if (fit === this.fit) return;
    this.fit = fit;
    this.chart.priceScale('right').applyOptions({ autoScale: true });
    this.series.applyOptions({});
  }

  setLines(wanted: readonly ChartLine[]): void {
    const keys = new Set(wanted.map(({ key }) => key));
    for (const [key, { line }] of this.lines) {
      if (keys.has(key)) continue;
      this.series.removePriceLine(line);
      this.lines.delete(key);
    }
    for (const shown of wanted) {
      const known = this.lines.get(shown.key);
      if (!known) this.lines.set(shown.key, { line: this.series.createPriceLine(this.lineStyle(shown)), shown });
      else if (known.shown.price !== shown.price || known.shown.title !== shown.title || known.shown.isLabelled !== shown.isLabelled) {
        known.line.applyOptions(this.lineStyle(shown));
        known.shown = shown;
      }
    }
  }

  setFills(fills: readonly FillMark[]): void {
    const marks: SeriesMarker<Time>[] = fills
      .map((fill) => ({ ...fill, time: this.candleOf(fill.time) }))
      .filter(({ time }) => time !== null)
      .map(({ time, side, text }) => ({
        time: time as UTCTimestamp,
        position: side === 'BUY' ? ('belowBar' as const) : ('aboveBar' as const),
        shape: side === 'BUY' ? ('arrowUp' as const) : ('arrowDown' as const),
        color: side === 'BUY' ? this.colours.up : this.colours.down,
        text,
      }));
    this.markers.setMarkers(marks.sort((a, b) => Number(a.time) - Number(b.time)));
  }

  /** The stop or target line under a pointer, by its distance in pixels. */
  lineAt(y: number): ChartLine | null {
    let best: ChartLine | null = null;
    let nearest = GRIP_PX;
    for (const { shown } of this.lines.values()) {
      if (shown.kind !== 'stop' && shown.kind !== 'target') continue;
      const at = this.series.priceToCoordinate(shown.price);
      const distance = at === null ? Number.POSITIVE_INFINITY : Math.abs(at - y);
      if (distance <= nearest) {
        nearest = distance;
        best = shown;
      }
    }
    return best;
  }

  priceAt(y: number): number | null {
    return this.series.coordinateToPrice(y);
  }

  /** Where a price is drawn, in pixels from the top; null when it is not. */
  heightOf(price: number): number | null {
    return this.series.priceToCoordinate(price);
  }

  /** While a line is dragged the chart under it holds still. */
  hold(still: boolean): void {
    this.chart.applyOptions({ handleScroll: !still, handleScale: !still });
  }

  destroy(): void {
    this.chart.remove();
  }

  private candleOf(time: number): number | null {
    let low = 0;
    let high = this.times.length - 1;
    if (high < 0 || time < (this.times[0] ?? 0)) return null;
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if ((this.times[middle] ?? 0) <= time) low = middle;
      else high = middle - 1;
    }
    return this.times[low] ?? null;
  }

  private lineStyle({ kind, price, title, isLabelled }: ChartLine) {
    const { up, down, entry, bid, onUp, onDown, onEntry } = this.colours;
    const [color, axisLabelTextColor] =
      kind === 'target' ? [up, onUp] : kind === 'stop' ? [down, onDown] : kind === 'entry' ? [entry, onEntry] : [bid, onEntry];
    const quiet = kind === 'bid' || kind === 'ask';
    return {
      price,
      title: isLabelled ? title : '',
      color,
      lineWidth: 1 as const,
      lineStyle: quiet ? LineStyle.Dotted : kind === 'entry' ? LineStyle.Solid : LineStyle.Dashed,
      axisLabelVisible: !quiet && isLabelled,
      axisLabelTextColor,
    };
  }

  private scale(base: () => AutoscaleInfo | null): AutoscaleInfo | null {
    const info = base();
    if (!info?.priceRange || !this.fit) return info;
    let { minValue, maxValue } = info.priceRange;
    for (const { shown } of this.lines.values()) {
      minValue = Math.min(minValue, shown.price);
      maxValue = Math.max(maxValue, shown.price);
    }
    return { ...info, priceRange: { minValue, maxValue } };
  }

  private format(time: Time, options: Intl.DateTimeFormatOptions): string {
    return new Intl.DateTimeFormat('en-GB', { ...options, timeZone: this.zone, hourCycle: 'h23' }).format(Number(time) * 1000);
  }

  private moment(time: Time): string {
    return this.format(time, { day: 'numeric', month: 'short', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  }

  private tick(time: Time, type: TickMarkType): string {
    switch (type) {
      case TickMarkType.Year:
        return this.format(time, { year: 'numeric' });
      case TickMarkType.Month:
        return this.format(time, { month: 'short' });
      case TickMarkType.DayOfMonth:
        return this.format(time, { day: 'numeric', month: 'short' });
      case TickMarkType.TimeWithSeconds:
        return this.format(time, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
      default:
        return this.format(time, { hour: '2-digit', minute: '2-digit' });
    }
  }
}

/** The equity curve, and below it how far under its high it stands. */

import { AreaSeries, createChart, type IChartApi, type ISeriesApi, type UTCTimestamp } from 'lightweight-charts';
import type { EquityPoint } from '../core/performance';
import type { ChartColours } from './arena-chart';

export class EquityChart {
  private readonly chart: IChartApi;
  private readonly equity: ISeriesApi<'Area'>;
  private readonly drawdown: ISeriesApi<'Area'>;

  constructor(box: HTMLElement, colours: ChartColours) {
    this.chart = createChart(box, {
      autoSize: true,
      layout: {
        attributionLogo: false,
        fontSize: 11,
        fontFamily: colours.font,
        background: { color: colours.back },
        textColor: colours.text,
        panes: { separatorColor: colours.grid, enableResize: false },
      },
      grid: { vertLines: { visible: false }, horzLines: { color: colours.grid } },
      rightPriceScale: { borderVisible: false, minimumWidth: 78 },
      timeScale: { borderVisible: false, timeVisible: true },
      handleScroll: false,
      handleScale: false,
    });
    const line = { lineWidth: 2 as const, priceLineVisible: false, lastValueVisible: false };
    this.equity = this.chart.addSeries(AreaSeries, {
      ...line,
      lineColor: colours.entry,
      topColor: fade(colours.entry, 0.25),
      bottomColor: fade(colours.entry, 0),
    });
    this.drawdown = this.chart.addSeries(
      AreaSeries,
      {
        ...line,
        lineWidth: 1,
        lineColor: colours.down,
        topColor: fade(colours.down, 0),
        bottomColor: fade(colours.down, 0.3),
        invertFilledArea: true,
      },
      1,
    );
    this.chart.panes()[1]?.setHeight(60);
  }

  show(points: readonly EquityPoint[]): void {
    let high = Number.NEGATIVE_INFINITY;
    const values = points.map(({ time, equity }) => ({ time: time as UTCTimestamp, value: Number(equity) }));
    this.equity.setData(values);
    this.drawdown.setData(
      values.map(({ time, value }) => {
        high = Math.max(high, value);
        return { time, value: value - high };
      }),
    );
    this.chart.timeScale().fitContent();
  }

  destroy(): void {
    this.chart.remove();
  }
}

/** `rgb(1, 2, 3)` with an alpha. */
function fade(colour: string, alpha: number): string {
  return colour.replace(/^rgb\((.*)\)$/, `rgba($1, ${alpha})`);
}

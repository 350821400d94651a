/** The style sheet's colours as plain values: a canvas understands neither custom properties nor light-dark(). */

import type { ChartColours } from './arena-chart';

export function chartColours(within: HTMLElement): ChartColours {
  const probe = document.createElement('span');
  probe.hidden = true;
  within.append(probe);
  const read = (name: string): string => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    back: read('panel'),
    text: read('text-faint'),
    grid: read('raised'),
    up: read('up'),
    down: read('down'),
    entry: read('accent'),
    bid: read('line-strong'),
    onUp: read('on-up'),
    onDown: read('on-down'),
    onEntry: read('on-accent'),
    font: getComputedStyle(within).fontFamily,
  };
  probe.remove();
  return colours;
}

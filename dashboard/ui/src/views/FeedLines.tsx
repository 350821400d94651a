/**
 * The feed's lines, in blocks.
 *
 * In a flood fifty lines come and fifty go ten times a second. A block of which no line came or went is neither compared, laid out nor painted anew
 * (`contain` in feed.css): a batch costs what is new in it, not what stands there.
 */

import { Component, Fragment, type JSX } from 'preact';
import { openLine } from '../app/feed-view';
import { blockOf, inBlocks, type Line } from '../core/feed';
import { dayOf, timeOfDay } from '../core/format';
import { assetClassOf } from '../core/narrate';
import { LineIcon } from './icons';

export function FeedLines({ lines, zone }: { lines: readonly Line[]; zone: string }): JSX.Element {
  const blocks = inBlocks(lines);
  return (
    <>
      {blocks.map((block, i) => (
        <Block key={blockOf(block[0])} lines={block} zone={zone} dayBefore={dayOfLine(blocks[i - 1]?.at(-1), zone)} />
      ))}
    </>
  );
}

function dayOfLine(line: Line | undefined, zone: string): string {
  return line ? dayOf(line.ts, zone) : '';
}

interface BlockProps {
  readonly lines: readonly Line[];
  readonly zone: string;
  /** The day of the line above the block, which this one need not name again. */
  readonly dayBefore: string;
}

class Block extends Component<BlockProps> {
  override shouldComponentUpdate(next: BlockProps): boolean {
    const { lines, zone, dayBefore } = this.props;
    const isSame = next.lines.length === lines.length && next.lines.every((line, i) => line === lines[i]);
    return !isSame || next.zone !== zone || next.dayBefore !== dayBefore;
  }

  override render(): JSX.Element {
    const { lines, zone, dayBefore } = this.props;
    let day = dayBefore;
    return (
      <div class="feed-block">
        {lines.map((line) => {
          const lineDay = dayOf(line.ts, zone);
          const isNewDay = lineDay !== '' && lineDay !== day;
          if (isNewDay) day = lineDay;
          return (
            <Fragment key={line.order}>
              {isNewDay && <div class="day">{lineDay}</div>}
              <Row line={line} zone={zone} />
            </Fragment>
          );
        })}
      </div>
    );
  }
}

/** A line never changes once told, so it is drawn once. */
class Row extends Component<{ line: Line; zone: string }> {
  override shouldComponentUpdate(next: { line: Line; zone: string }): boolean {
    return next.line.parts !== this.props.line.parts || next.zone !== this.props.zone;
  }

  override render(): JSX.Element {
    const { line, zone } = this.props;
    const opens = line.event !== null;
    const time = timeOfDay(line.ts, zone);
    return (
      <div
        class="line"
        data-kind={line.kind}
        data-tone={line.tone}
        data-type={line.type}
        data-opens={opens}
        data-order={line.order}
        data-order-id={line.orderId || undefined}
        onClick={opens ? (event) => open(line, event.currentTarget) : undefined}
      >
        {opens ? (
          <button type="button" class="line-time" tabIndex={-1} title={line.ts} aria-label={`${time}, details`}>
            {time}
          </button>
        ) : (
          <time class="line-time" title={line.ts}>
            {time}
          </time>
        )}{' '}
        <LineIcon name={line.icon} />
        {line.parts.map((part, i) => (
          <Fragment key={i}>
            {' '}
            <span class={`part-${part.role}`} data-class={part.role === 'symbol' ? assetClassOf(part.text) : undefined}>
              {part.text}
            </span>
          </Fragment>
        ))}
      </div>
    );
  }
}

function open(line: Line, row: HTMLElement): void {
  // Text being selected is being read, not clicked.
  if (getSelection()?.toString()) return;
  row.querySelector('button')?.focus({ preventScroll: true });
  openLine.value = line;
}

/**
 * RICK LIVE NARRATION: what the desk does, in words, as it happens.
 *
 * The newest line is at the bottom and stays in view unless the reader has scrolled up; then nothing moves and a pill counts what is new.
 */

import { Component, Fragment, type JSX } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import { openDialog } from '../app/dialogs';
import { type Earlier, earlier, filter, heldBack, isPaused, landing, openLine, shownLines, togglePause } from '../app/feed-view';
import { zoneOf, zoneSetting } from '../app/settings';
import { connection, feed } from '../app/store';
import { isFiltering } from '../core/filter';
import { type Line, LINES_MAX } from '../core/feed';
import { dayOf, timeOfDay } from '../core/format';
import { assetClassOf } from '../core/narrate';
import { EarlierBar, EarlierButton } from './EarlierBar';
import { FeedFilter } from './FeedFilter';
import { Drawing, LineIcon } from './icons';

/** As near to the end as a fraction of a pixel and a zoom level may leave it. */
const AT_BOTTOM_PX = 12;

export function Narration(): JSX.Element {
  const lines = shownLines.value;
  const zone = zoneOf(zoneSetting.value);
  const [showFilter, setShowFilter] = useState(false);
  const scroller = useRef<HTMLDivElement>(null);
  const { isAtBottom, unseen, toBottom, onScroll } = useStickToBottom(scroller, lines, earlier.value);
  const paused = isPaused.value;
  const waiting = paused ? heldBack.value : unseen;

  return (
    <section class="panel narration" aria-labelledby="narration-title">
      <header class="panel-head">
        <h2 id="narration-title" class="panel-title narration-title">
          RICK LIVE NARRATION
        </h2>
        <span class="panel-note">{earlier.value ? 'earlier lines' : paused ? 'paused' : <LiveNote />}</span>
        <div class="panel-tools">
          <button
            type="button"
            class="tool"
            title="Filter (/)"
            aria-pressed={showFilter}
            data-active={isFiltering(filter.value)}
            aria-controls="feed-filter"
            aria-expanded={showFilter}
            onClick={() => setShowFilter(!showFilter)}
          >
            <Drawing name="filter" size={14} />
            <span class="tool-text">Filter</span>
          </button>
          <button type="button" class="tool" title="Export" onClick={() => openDialog('export')}>
            <Drawing name="save" size={14} />
            <span class="tool-text">Export</span>
          </button>
          <button
            type="button"
            class="tool"
            title="Pause or resume (p)"
            aria-pressed={paused}
            data-active={paused}
            onClick={togglePause}
            aria-keyshortcuts="p"
          >
            <Drawing name={paused ? 'play' : 'pause'} size={14} />
            <span class="tool-text">{paused ? 'Resume' : 'Pause'}</span>
          </button>
        </div>
      </header>
      {showFilter && <FeedFilter />}
      <EarlierBar />
      <div class="feed-frame">
        <div
          id="narration-feed"
          class="feed"
          role="log"
          aria-live={earlier.value ? 'off' : undefined}
          aria-labelledby="narration-title"
          tabIndex={0}
          ref={scroller}
          onScroll={onScroll}
          onKeyDown={moveByKey}
        >
          <EarlierButton />
          {lines.length === 0 ? <EmptyFeed /> : <Rows lines={lines} zone={zone} />}
        </div>
        {(waiting > 0 || (paused && !isAtBottom)) && (
          <button
            type="button"
            class="new-pill"
            onClick={() => {
              if (paused) togglePause();
              toBottom();
            }}
          >
            <Drawing name="down" size={12} />
            {waiting === 0 ? 'To the newest' : `${waiting < LINES_MAX ? waiting : `${LINES_MAX} or more`} new`}
          </button>
        )}
      </div>
    </section>
  );
}

function LiveNote(): JSX.Element | null {
  const { phase } = connection.value;
  if (phase === 'live') return <span class="live-dot">live</span>;
  return <span class="stale-dot">{phase === 'connecting' ? 'connecting' : 'not live'}</span>;
}

function EmptyFeed(): JSX.Element {
  if (earlier.value) return <p class="empty">No line of these times matches the filter. Nothing was dropped: go on to earlier ones, or clear the filter.</p>;
  if (feed.value.lines.length > 0) return <p class="empty">No line matches the filter. Nothing was dropped: clear the filter to see all.</p>;
  if (connection.value.phase === 'connecting') return <p class="empty">Connecting to the event stream …</p>;
  return (
    <p class="empty">
      Nothing has happened yet. Place a bracket order here or over HTTP, and each step is told on this side: placed, filled, stopped, closed, and what
      Rick makes of it.
    </p>
  );
}

function Rows({ lines, zone }: { lines: readonly Line[]; zone: string }): JSX.Element {
  let day = '';
  return (
    <>
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
    </>
  );
}

/** A line never changes once told, so it is drawn once. */
class Row extends Component<{ line: Line; zone: string }> {
  override shouldComponentUpdate(next: { line: Line; zone: string }): boolean {
    return next.line.parts !== this.props.line.parts || next.zone !== this.props.zone;
  }

  override render(): JSX.Element {
    const { line, zone } = this.props;
    const opens = line.event !== null;
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
          <button type="button" class="line-time" tabIndex={-1} title={line.ts} aria-label={`${timeOfDay(line.ts, zone)}, details`}>
            {timeOfDay(line.ts, zone)}
          </button>
        ) : (
          <time class="line-time" title={line.ts}>
            {timeOfDay(line.ts, zone)}
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

/** Up and down (or k and j) go from line to line, Enter opens one: the buttons inside are reached without five hundred tab stops. */
function moveByKey(event: KeyboardEvent): void {
  const step = event.key === 'ArrowUp' || event.key === 'k' ? -1 : event.key === 'ArrowDown' || event.key === 'j' ? 1 : 0;
  if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
  const feedElement = event.currentTarget as HTMLElement;
  const buttons = [...feedElement.querySelectorAll<HTMLElement>('button.line-time')];
  const at = buttons.indexOf(document.activeElement as HTMLElement);
  const next = at < 0 ? buttons.at(-1) : buttons[Math.min(buttons.length - 1, Math.max(0, at + step))];
  if (!next) return;
  event.preventDefault();
  next.focus({ preventScroll: true });
  next.closest('.line')?.scrollIntoView({ block: 'nearest' });
}

interface Stick {
  readonly isAtBottom: boolean;
  readonly unseen: number;
  readonly toBottom: () => void;
  readonly onScroll: () => void;
}

/** Keep the end in view while the reader is there; else count what was added since. */
function useStickToBottom(scroller: { current: HTMLDivElement | null }, lines: readonly Line[], page: Earlier | null): Stick {
  const [isAtBottom, setAtBottom] = useState(true);
  const stick = useRef(true);
  const seen = useRef(-1);
  const last = lines.at(-1)?.order ?? -1;

  const toBottom = (): void => {
    stick.current = true;
    setAtBottom(true);
    if (scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  };

  const onScroll = (): void => {
    const box = scroller.current;
    if (!box) return;
    const atBottom = box.scrollHeight - box.scrollTop - box.clientHeight <= AT_BOTTOM_PX;
    stick.current = atBottom;
    if (atBottom !== isAtBottom) setAtBottom(atBottom);
  };

  const pageBefore = useRef(page);
  useLayoutEffect(() => {
    if (pageBefore.current === page || !scroller.current) return;
    pageBefore.current = page;
    // A page is read on from where the reader left the one beside it.
    const atEnd = landing.peek() === 'end';
    stick.current = atEnd;
    setAtBottom(atEnd);
    scroller.current.scrollTop = atEnd ? scroller.current.scrollHeight : 0;
  }, [page]);

  useLayoutEffect(() => {
    if (stick.current && scroller.current) scroller.current.scrollTop = scroller.current.scrollHeight;
  }, [lines]);

  useEffect(() => {
    const box = scroller.current;
    if (!box) return undefined;
    // A feed that changed its size (rotation, the filter opening) is still at its end if it was.
    const observer = new ResizeObserver(() => {
      if (stick.current) box.scrollTop = box.scrollHeight;
    });
    observer.observe(box);
    return () => observer.disconnect();
  }, [scroller]);

  if (isAtBottom) seen.current = last;
  const unseen = isAtBottom ? 0 : lines.filter((line) => line.order > seen.current).length;
  return { isAtBottom, unseen, toBottom, onScroll };
}

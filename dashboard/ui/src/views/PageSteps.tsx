/** The way to older pages of a list and back. */

import type { JSX } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Pages } from '../app/pages';
import type { Cursors, Fill, Order, Trade } from '../core/desk';

interface PageStepsProps<T extends Order | Fill | Trade> {
  readonly pages: Pages<T>;
  /** Where the second page begins. */
  readonly next: Cursors | undefined;
  readonly what: string;
}

export function PageSteps<T extends Order | Fill | Trade>({ pages, next, what }: PageStepsProps<T>): JSX.Element | null {
  const page = pages.shown.value;
  const isMore = ((page ? page.next : next)?.size ?? 0) > 0;
  const without = page?.without.length ? `, without ${page.without.join(' and ')}` : '';
  const box = useRef<HTMLDivElement>(null);
  const number = page?.number ?? 1;
  const before = useRef(number);
  useEffect(() => {
    if (before.current === number) return;
    before.current = number;
    // A page is read from its top; the buttons keep the focus, so that Enter goes on.
    const body = box.current?.closest('.book-body');
    if (body) body.scrollTop = 0;
  }, [number]);
  if (!page && !isMore) return null;
  return (
    <div class="book-more page-steps" role="group" aria-label={`Pages of ${what}`} ref={box}>
      <button type="button" class="tool" aria-disabled={!page} onClick={() => pages.newer()}>
        Newer
      </button>
      <button type="button" class="tool" aria-disabled={!isMore || pages.isAsking.value} onClick={() => void pages.older()}>
        Older
      </button>
      {number > 2 && (
        <button type="button" class="tool" onClick={() => pages.newest()}>
          Newest
        </button>
      )}
      <span class="page-steps-said" role="status">
        {pages.fault.value || (page ? `Page ${number}${isMore ? '' : ', the last'}${without}` : `The newest ${what}`)}
      </span>
    </div>
  );
}

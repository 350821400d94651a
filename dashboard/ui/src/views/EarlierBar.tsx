/** The way back through the feed beyond its first line, and forward to it again. */

import type { JSX } from 'preact';
import { fault, isAsking, isMore, showEarlier, showLater } from '../app/feed-history';
import { type Earlier, earlier, filter, resume } from '../app/feed-view';
import { zoneOf, zoneSetting } from '../app/settings';
import { isFiltering } from '../core/filter';
import { dateTime } from '../core/format';

/** Above the first line of the feed itself. */
export function EarlierButton(): JSX.Element | null {
  if (earlier.value || !isMore.value) return null;
  return (
    <div class="feed-earlier">
      <button type="button" class="tool" aria-disabled={isAsking.value} onClick={() => void showEarlier()}>
        {isAsking.value ? 'Looking …' : 'Earlier lines'}
      </button>
      <span role="status">{fault.value}</span>
    </div>
  );
}

/** Over a page of earlier lines: in view however far it is scrolled. */
export function EarlierBar(): JSX.Element | null {
  const page = earlier.value;
  if (!page) return null;
  const asking = isAsking.value;
  return (
    <div class="feed-earlier-bar" role="group" aria-label="Earlier lines">
      <button type="button" class="tool" aria-disabled={asking || !isMore.value} onClick={() => void showEarlier()}>
        Earlier
      </button>
      <button type="button" class="tool" aria-disabled={asking} onClick={() => void showLater()}>
        Later
      </button>
      <button type="button" class="tool" onClick={resume}>
        Back to live
      </button>
      <span class="feed-earlier-said" role="status">
        {asking ? 'Looking …' : fault.value || said(page)}
      </span>
    </div>
  );
}

function said(page: Earlier): string {
  const zone = zoneOf(zoneSetting.value);
  const [since, until] = [dateTime(page.since, zone), dateTime(page.until, zone)];
  // The date is said twice only where there are two.
  const span = page.since ? `${since} to ${until.slice(0, 10) === since.slice(0, 10) ? until.slice(11) : until}` : 'Nothing is kept before this';
  const end = page.before || !page.since ? '' : page.isBeginning ? ', from the beginning' : ', the earliest that is kept';
  const count = isFiltering(filter.value) ? `${page.lines.length === 1 ? '1 line matches' : `${page.lines.length} lines match`}, ` : '';
  return count + span + end;
}

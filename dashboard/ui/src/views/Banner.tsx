/** What the whole page must say: the line is down, the page is old. Over the page, never in the way of it. */

import type { JSX } from 'preact';
import { retryStream } from '../app/sync';
import { build, connection, now } from '../app/store';
import { type Connection, needsBanner } from '../core/connection';
import { age } from '../core/format';
import { Drawing } from './icons';

export function Banners(): JSX.Element {
  const link = connection.value;
  const { loaded, current } = build.value;
  return (
    <div class="banners">
      {link.phase !== 'live' && needsBanner(link, now.value) && <ConnectionBanner link={link} at={now.value} />}
      {loaded !== current && (
        <div class="banner" data-kind="notice" role="status">
          <Drawing name="restart" />
          <span>The arena was updated; this page is the old one.</span>
          <button type="button" class="tool" onClick={() => location.reload()}>
            Reload
          </button>
        </div>
      )}
    </div>
  );
}

function ConnectionBanner({ link, at }: { link: Connection; at: number }): JSX.Element {
  const wait = link.retryAt === null ? 'Trying now' : `Next try in ${age(link.retryAt - at)}`;
  return (
    <div class="banner" data-kind="trouble" role="alert">
      <Drawing name="link" />
      <span>
        <strong>{title(link, at)}</strong> {detail(link)}
      </span>
      {link.phase !== 'stale' && (
        <>
          <span class="banner-note" aria-hidden="true">
            {wait}
          </span>
          <button type="button" class="tool" onClick={retryStream}>
            Try now
          </button>
        </>
      )}
    </div>
  );
}

function title(link: Connection, at: number): string {
  switch (link.phase) {
    case 'connecting':
      return 'Not connected yet.';
    case 'busy':
      return 'The server has no free place for this page.';
    case 'stale':
      return `Nothing heard for ${age(at - link.heardAt)}.`;
    default:
      return `Connection lost ${age(at - (link.lostAt ?? link.since))} ago.`;
  }
}

function detail(link: Connection): string {
  if (link.phase === 'connecting') return 'The event stream does not answer.';
  return 'What you see is how things stood then; missed events will be told in order.';
}

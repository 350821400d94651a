/** The top bar: mode, money, trading state, the programs, the connection, the time. What must be true at a glance. */

import type { JSX } from 'preact';
import { openDialog } from '../app/dialogs';
import { today } from '../app/performance';
import { zoneOf, zoneSetting } from '../app/settings';
import { connection, desk, now, programs, serverNow, session } from '../app/store';
import { brokers } from '../app/sync';
import type { Connection } from '../core/connection';
import { age, money, signedMoney, signOf, timeOfDay, zoneName } from '../core/format';
import { healthOf, PROGRAM_NAMES } from '../core/programs';
import { allHalted } from '../core/session';
import { Drawing } from './icons';

export function TopBar(): JSX.Element {
  const isStopped = [...(session.value?.tradingStates.values() ?? [])].some((state) => state !== 'ACTIVE');
  return (
    <header class="topbar" data-stopped={isStopped}>
      <h1 class="brand">
        <span class="brand-mark" aria-hidden="true">
          R
        </span>
        <span class="brand-name">
          RICK <span class="brand-rest">Trading Dashboard</span>
        </span>
      </h1>
      <ModeBadge />
      <Figures />
      <TradingState />
      <span class="topbar-gap" />
      <HaltButton />
      <Tiles />
      <ConnectionBadge />
      <Clock />
      <Menu />
    </header>
  );
}

function ModeBadge(): JSX.Element {
  const known = session.value;
  if (!known)
    return (
      <span class="mode-badge" data-mode="unknown" title="Paper or live is not known yet">
        …
      </span>
    );
  const live = [...known.modes].filter(([, mode]) => mode === 'live').map(([name]) => name);
  const title = known.mode === 'live' ? `Real money at ${live.join(', ') || 'a broker'}` : 'Paper: no real money moves';
  return (
    <span class="mode-badge" data-mode={known.mode} title={title}>
      {known.mode === 'live' ? 'LIVE' : 'PAPER'}
    </span>
  );
}

/** Money of all accounts of one currency, each as its server told it; several accounts are shown side by side, never added up in here. */
function Figures(): JSX.Element | null {
  const { accounts } = desk.value;
  if (accounts.list.length === 0) return null;
  const old = accounts.fetched !== 'ok';
  return (
    <dl class="figures">
      {accounts.list.map((account) => (
        <div key={account.broker} class="figure" data-old={old || account.isStale}>
          <dt>{account.broker}</dt>
          <dd title={`Equity at ${account.broker}, how it moved since midnight, and the open profit or loss in it`}>
            <span class="figure-main">
              {money(account.equity, account.currency)} <span class="unit">{account.currency}</span>
            </span>
            <span class="figure-subs">
              {today.value.has(account.broker) && (
                <span class="figure-sub" data-sign={signOf(today.value.get(account.broker))}>
                  {signedMoney(today.value.get(account.broker), account.currency)} today
                </span>
              )}
              <span class="figure-sub figure-open" data-sign={signOf(account.openPnl)}>
                {signedMoney(account.openPnl, account.currency)} open
              </span>
            </span>
          </dd>
        </div>
      ))}
    </dl>
  );
}

function TradingState(): JSX.Element | null {
  const known = session.value;
  const stopped = [...(known?.tradingStates ?? [])].filter(([, state]) => state !== 'ACTIVE');
  if (stopped.length === 0) return null;
  const said = known && allHalted(known, brokers()) ? 'HALTED' : stopped.map(([name, state]) => `${name} ${state}`).join(', ');
  return (
    <span class="state-badge" role="status" title={said}>
      <Drawing name="power" size={13} />
      <span>{said}</span>
    </span>
  );
}

/** The way to stop, and back; only for those who may. */
function HaltButton(): JSX.Element | null {
  const known = session.value;
  if (!known?.mayTrade) return null;
  // One that is stopped must not take the switch away while another trades on.
  const isStopped = allHalted(known, brokers());
  return (
    <button
      type="button"
      class="button halt"
      aria-label={isStopped ? 'Trading is stopped' : 'Stop trading'}
      data-kind={isStopped ? undefined : 'danger'}
      onClick={() => openDialog('halt')}
    >
      <Drawing name="power" size={13} />
      {isStopped ? 'Stopped' : 'Stop'}
    </button>
  );
}

const HEALTH_WORDS = { ok: 'runs', degraded: 'runs with trouble', down: 'is down', unknown: 'has not been heard yet' } as const;

function Tiles(): JSX.Element {
  const known = programs.value;
  const names = PROGRAM_NAMES.filter((name) => name !== 'dashboard');
  const isLive = connection.value.phase === 'live';
  const healths = names.map((name) => healthOf(name, known, isLive, now.value));
  const troubled = names.filter((_, i) => healths[i] === 'down' || healths[i] === 'degraded');
  const summary = troubled.length ? `${troubled.join(', ')} in trouble` : healths.every((one) => one === 'ok') ? 'all run' : 'not all heard of';
  return (
    <button type="button" class="tiles" onClick={() => openDialog('programs')} title={summary}>
      {names.map((name, i) => (
        <span key={name} class="tile" data-health={healths[i]} title={`${name} ${HEALTH_WORDS[healths[i] ?? 'unknown']}`}>
          <span class="tile-name">{name.replace('market_data', 'market')}</span>
        </span>
      ))}
      <span class="unseen">Programs: {summary}</span>
    </button>
  );
}

export function connectionWords(link: Connection, at: number): string {
  switch (link.phase) {
    case 'live':
      return 'Live';
    case 'connecting':
      return 'Connecting';
    case 'stale':
      return `Silent ${age(at - link.heardAt)}`;
    case 'busy':
      return 'Server full';
    case 'reconnecting':
      return `Reconnecting ${age(at - (link.lostAt ?? link.since))}`;
  }
}

function ConnectionBadge(): JSX.Element {
  const link = connection.value;
  return (
    <span class="connection" data-phase={link.phase} role="status" aria-live="polite">
      {connectionWords(link, link.phase === 'live' ? 0 : now.value)}
    </span>
  );
}

function Clock(): JSX.Element {
  const zone = zoneOf(zoneSetting.value);
  const at = serverNow.value;
  return (
    <time class="clock" dateTime={new Date(at).toISOString()} title={`The server’s time: ${new Date(at).toISOString()}, shown in ${zone}`}>
      {timeOfDay(at, zone)} <span class="unit">{zoneName(zone, at)}</span>
    </time>
  );
}

function Menu(): JSX.Element {
  const known = session.value;
  return (
    <div class="menu">
      <button
        type="button"
        class="tool tool-icon"
        onClick={() => openDialog('help')}
        aria-label="Keys and help"
        aria-keyshortcuts="?"
        title="Keys and help (?)"
      >
        <Drawing name="keyboard" />
      </button>
      <button type="button" class="tool tool-icon" onClick={() => openDialog('settings')} aria-label="Settings" title="Settings">
        <Drawing name="gear" />
      </button>
      <button
        type="button"
        class="tool"
        onClick={() => openDialog('login')}
        aria-label={known?.user ? `Account ${known.user.email}` : 'Log in'}
        title={known?.user ? `${known.user.email}, ${known.user.role}` : 'Log in to trade'}
      >
        <Drawing name="user" />
        <span class="menu-user">{known?.user ? known.user.email : 'Log in'}</span>
      </button>
    </div>
  );
}

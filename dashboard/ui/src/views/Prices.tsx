/** Prices with their age. A price nobody confirmed for five seconds is grey and struck through: it is history. */

import type { JSX } from 'preact';
import { selectedInstrument } from '../app/settings';
import { instruments, now, quotes, session } from '../app/store';
import { edit } from '../app/ticket-state';
import { age, price } from '../core/format';
import { type Instrument, pipName, pipOf } from '../core/instruments';
import { isForexClosed } from '../core/market-hours';
import { assetClassOf, usualDecimals } from '../core/narrate';
import { isStale, type Quote, spreadIn } from '../core/quotes';

export function Prices(): JSX.Element {
  const known = instruments.value;
  const heard = quotes.value;
  const names = known.size ? [...known.keys()] : [...heard.keys()];
  const synthetic = [...heard.values()].some((quote) => quote.synthetic);
  return (
    <section class="panel prices" aria-labelledby="prices-title">
      <header class="panel-head">
        <h2 id="prices-title" class="panel-title">
          Prices
        </h2>
        {synthetic && (
          <span class="tag" data-kind="synthetic" title="Made by the simulated feed: no market stands behind them">
            synthetic
          </span>
        )}
      </header>
      {names.length === 0 ? (
        <p class="empty">No prices yet: waiting for market data.</p>
      ) : (
        <table class="price-table">
          <thead>
            <tr>
              <th scope="col">Instrument</th>
              <th scope="col" class="num">
                Bid
              </th>
              <th scope="col" class="num">
                Ask
              </th>
              <th scope="col" class="num">
                Age
              </th>
            </tr>
          </thead>
          <tbody>
            {names.map((name) => (
              <PriceRow key={name} name={name} quote={heard.get(name)} instrument={known.get(name)} />
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}

function PriceRow({ name, quote, instrument }: { name: string; quote: Quote | undefined; instrument: Instrument | undefined }): JSX.Element {
  const at = now.value;
  const stale = !quote || isStale(quote, at);
  const closed = stale && instrument?.calendar === 'forex' && isForexClosed(at);
  const decimals = instrument?.decimals ?? usualDecimals(name);
  const spread = quote && instrument ? `Spread ${spreadIn(quote, pipOf(instrument))} ${pipName(instrument)}` : '';
  const chosen = selectedInstrument.value === name;
  return (
    <tr class="price-row" data-stale={stale} data-chosen={chosen}>
      <th scope="row">
        <button
          type="button"
          class="price-name"
          aria-pressed={chosen}
          data-class={assetClassOf(name)}
          onClick={() => (selectedInstrument.value = name)}
          title={spread}
        >
          {name}
        </button>
      </th>
      {quote ? (
        <>
          <td class="num price">
            <span class="move" data-sign={quote.move} aria-hidden="true">
              {quote.move > 0 ? '▲' : quote.move < 0 ? '▼' : ''}
            </span>
            <Side side="SELL" name={name} text={price(quote.bid, decimals)} stale={stale} />
          </td>
          <td class="num price">
            <Side side="BUY" name={name} text={price(quote.ask, decimals)} stale={stale} />
          </td>
          <td
            class="num price-age"
            data-closed={closed}
            title={closed ? 'The market is closed for the weekend' : stale ? 'Old: nothing fills on it' : spread}
          >
            {closed ? 'closed' : age(at - quote.at)}
          </td>
        </>
      ) : (
        <td class="num price-age" colSpan={3}>
          no price yet
        </td>
      )}
    </tr>
  );
}

/** A side of the quote; for a trader it is also the way to a ticket for it: the bid sells, the ask buys. */
function Side({ side, name, text, stale }: { side: 'BUY' | 'SELL'; name: string; text: string; stale: boolean }): JSX.Element {
  const digits = stale ? <s>{text}</s> : <>{text}</>;
  if (!session.value?.mayTrade) return digits;
  return (
    <button
      type="button"
      class="price-side"
      aria-label={`${side === 'BUY' ? 'Buy' : 'Sell'} ${name} at ${text}`}
      onClick={() => startTicket(name, side)}
    >
      {digits}
    </button>
  );
}

function startTicket(name: string, side: 'BUY' | 'SELL'): void {
  selectedInstrument.value = name;
  edit({ side });
  requestAnimationFrame(() => document.getElementById('ticket-units')?.focus());
}

/** The page: top bar, banners, and the panels in three columns that become one on a phone. */

import type { JSX } from 'preact';
import { mode, session } from '../app/store';
import { Banners } from './Banner';
import { Book } from './Book';
import { Chart } from './Chart';
import { Confirm } from './Confirm';
import { Detail } from './Detail';
import { Narration } from './Narration';
import { OrderDialogs } from './OrderDialogs';
import { PageDialogs } from './PageDialogs';
import { Prices } from './Prices';
import { Ticket } from './Ticket';
import { Toasts } from './Toasts';
import { TopBar } from './TopBar';
import { Welcome } from './Welcome';

/** On a phone the panels stand under one another: the way from one to the next is one touch. */
function Jumps(): JSX.Element {
  return (
    <nav class="jumps" aria-label="Panels">
      <a href="#chart-title">Chart</a>
      <a href="#ticket-title">Ticket</a>
      <a href="#book-title">Book</a>
      <a href="#narration-title">Rick</a>
    </nav>
  );
}

export function App(): JSX.Element {
  const known = session.value;
  return (
    <div class="app" data-mode={mode.value}>
      <a class="skip" href="#narration-feed">
        Skip to the narration
      </a>
      <TopBar />
      <Banners />
      {known && !known.mayRead ? (
        <Welcome />
      ) : (
        <main class="desk">
          <Prices />
          <Chart />
          <Ticket />
          <Book />
          <Narration />
        </main>
      )}
      {known?.mayRead && <Jumps />}
      <Detail />
      <OrderDialogs />
      <PageDialogs />
      <Confirm />
      <Toasts />
    </div>
  );
}

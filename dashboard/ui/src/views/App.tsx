/** The page: top bar, banners, and the panels in three columns that become one on a phone. */

import type { JSX } from 'preact';
import { mode } from '../app/store';
import { Banners } from './Banner';
import { Narration } from './Narration';
import { Prices } from './Prices';
import { TopBar } from './TopBar';

export function App(): JSX.Element {
  return (
    <div class="app" data-mode={mode.value}>
      <a class="skip" href="#narration-feed">
        Skip to the narration
      </a>
      <TopBar />
      <Banners />
      <main class="desk">
        <div class="desk-side">
          <Prices />
        </div>
        <Narration />
      </main>
    </div>
  );
}

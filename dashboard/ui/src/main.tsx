/** Start: appearance first, then the page, then its data. */

import { render } from 'preact';
import { keepFilterInAddress } from './app/feed-view';
import { applyAppearance } from './app/settings';
import { startSync } from './app/sync';
import './styles/tokens.css';
import './styles/base.css';
import './styles/layout.css';
import './styles/panels.css';
import './styles/feed.css';
import { App } from './views/App';

applyAppearance();
const page = document.getElementById('page');
if (page) {
  page.replaceChildren();
  render(<App />, page);
}
keepFilterInAddress();
void startSync();

/** Start: appearance first, then the page, then its data. */

import { render } from 'preact';
import { followAlerts } from './app/alerts';
import { keepHistoryInStep } from './app/feed-history';
import { keepFilterInAddress } from './app/feed-view';
import { listenToKeys } from './app/keys';
import { applyAppearance } from './app/settings';
import { startSync } from './app/sync';
import { keepTitle } from './app/tab-title';
import { followForm } from './app/ticket-state';
import './styles/tokens.css';
import './styles/base.css';
import './styles/topbar.css';
import './styles/layout.css';
import './styles/panels.css';
import './styles/chart.css';
import './styles/ticket.css';
import './styles/book.css';
import './styles/feed.css';
import './styles/dialogs.css';
import './styles/detail.css';
import { App } from './views/App';

applyAppearance();
const page = document.getElementById('page');
if (page) {
  page.replaceChildren();
  render(<App />, page);
}
keepFilterInAddress();
keepHistoryInStep();
listenToKeys();
followForm();
keepTitle();
followAlerts();
void startSync();

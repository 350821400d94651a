/** Looks, zone, how much is asked, and what makes a sound. Kept in this browser. */

import type { JSX } from 'preact';
import { allowMessages, isSoundBlocked, play } from '../app/alerts';
import { closeDialog } from '../app/dialogs';
import { confirmLevel, messages, palette, sounds, theme, volume, zoneSetting } from '../app/settings';
import { ALERT_NAMES, type Alert, ALERTS } from '../core/alerts';
import { Dialog } from './Dialog';

const ZONES = [
  'UTC',
  'local',
  'America/New_York',
  'America/Chicago',
  'Europe/London',
  'Europe/Berlin',
  'Asia/Tokyo',
  'Asia/Singapore',
  'Australia/Sydney',
];

export function SettingsDialog(): JSX.Element {
  const zones = ZONES.includes(zoneSetting.value) ? ZONES : [...ZONES, zoneSetting.value];
  return (
    <Dialog title="Settings" onClose={closeDialog}>
      <div class="dialog-text">
        <Choice
          label="Look"
          value={theme.value}
          options={[
            ['system', 'As the system'],
            ['dark', 'Dark'],
            ['light', 'Light'],
          ]}
          onChange={(value) => (theme.value = value as typeof theme.value)}
        />
        <Choice
          label="Up and down"
          value={palette.value}
          options={[
            ['green-red', 'Green up, red down'],
            ['red-green', 'Red up, green down'],
            ['blue-orange', 'Blue up, orange down'],
          ]}
          onChange={(value) => (palette.value = value as typeof palette.value)}
        />
        <Choice
          label="Times in"
          value={zoneSetting.value}
          options={zones.map((zone) => [zone, zone === 'local' ? 'This computer’s zone' : zone.replaceAll('_', ' ')])}
          onChange={(value) => (zoneSetting.value = value)}
        />
        <Choice
          label="Ask before"
          value={confirmLevel.value}
          options={[
            ['careful', 'Closing, and everything live'],
            ['always', 'Every change'],
            ['one-click', 'Only everything live (one click)'],
          ]}
          onChange={(value) => (confirmLevel.value = value as typeof confirmLevel.value)}
        />
        <Alerts />
        <p class="field-note">Kept in this browser only.</p>
      </div>
    </Dialog>
  );
}

function Choice(props: {
  label: string;
  value: string;
  options: readonly (readonly [string, string])[];
  onChange: (value: string) => void;
}): JSX.Element {
  return (
    <label class="setting">
      <span>{props.label}</span>
      <select class="input" value={props.value} onChange={(event) => props.onChange(event.currentTarget.value)}>
        {props.options.map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function toggled(list: readonly Alert[], alert: Alert, isOn: boolean): readonly Alert[] {
  return isOn ? [...list, alert] : list.filter((one) => one !== alert);
}

function Alerts(): JSX.Element {
  return (
    <fieldset class="alerts">
      <legend>Alerts</legend>
      <table class="alert-table">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Sound</th>
            <th scope="col">Message</th>
          </tr>
        </thead>
        <tbody>
          {ALERTS.map((alert) => (
            <tr key={alert}>
              <th scope="row">{ALERT_NAMES[alert]}</th>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Sound: ${ALERT_NAMES[alert]}`}
                  checked={sounds.value.includes(alert)}
                  onChange={(event) => {
                    sounds.value = toggled(sounds.peek(), alert, event.currentTarget.checked);
                    if (event.currentTarget.checked) play(alert);
                  }}
                />
              </td>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Message: ${ALERT_NAMES[alert]}`}
                  checked={messages.value.includes(alert)}
                  onChange={(event) => {
                    const { checked } = event.currentTarget;
                    messages.value = toggled(messages.peek(), alert, checked);
                    if (checked) void allowMessages();
                  }}
                />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <label class="setting">
        <span>Volume</span>
        <input type="range" min="0" max="100" step="5" value={volume.value} onInput={(event) => (volume.value = Number(event.currentTarget.value))} />
      </label>
      {isSoundBlocked.value && <p class="field-fault">The browser holds sound back until this page is clicked once more.</p>}
      <p class="field-note">Messages of the browser come while the page is hidden, where the browser allows them.</p>
    </fieldset>
  );
}

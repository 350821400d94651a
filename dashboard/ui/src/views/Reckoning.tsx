/** What an order would risk and cost: distances worked out at once, money from the server's preview, its warnings in its words. */

import type { JSX } from 'preact';
import { figure, judged, previewed } from '../app/ticket-state';
import { money, signedMoney } from '../core/format';
import { type Instrument, pipName } from '../core/instruments';
import { oneLine } from '../core/text';

export function Reckoning({ chosen }: { chosen: Instrument }): JSX.Element {
  const known = judged.value;
  const currency = oneLine(previewed.value?.['currency'], 8) || chosen.quote;
  const inMoney = (name: string): string => (figure(name) === null ? '' : money(figure(name), currency));
  const loss = figure('loss_at_stop');
  const gain = figure('gain_at_target');
  const warnings = previewed.value?.['warnings'];
  const pips = (distance: string | undefined): string => (distance ? `${distance} ${pipName(chosen)}` : '');
  return (
    <>
      <dl class="reckoning">
        <Figure label="Risk" value={loss === null ? '' : signedMoney(`-${loss}`, currency)} unit={currency} note={pips(known?.riskPips)} sign={-1} />
        <Figure label="Reward" value={gain === null ? '' : signedMoney(gain, currency)} unit={currency} note={pips(known?.rewardPips)} sign={1} />
        <Figure label="Reward : risk" value={known?.rewardToRisk ?? ''} unit={known?.rewardToRisk ? ': 1' : ''} />
        <Figure label="Notional" value={inMoney('notional')} unit={currency} />
        <Figure label="Sets aside" value={inMoney('cost')} unit={currency} />
        <Figure label="Fees in / out" value={figure('entry_fee') === null ? '' : `${inMoney('entry_fee')} / ${inMoney('exit_fee')}`} unit="" />
      </dl>
      {Array.isArray(warnings) && warnings.length > 0 && (
        <ul class="warnings">
          {warnings.slice(0, 6).map((warning, i) => (
            <li key={i}>{oneLine(warning, 300)}</li>
          ))}
        </ul>
      )}
    </>
  );
}

function Figure(props: { label: string; value: string; unit: string; note?: string; sign?: 1 | -1 }): JSX.Element {
  return (
    <div>
      <dt>{props.label}</dt>
      <dd>
        <span data-sign={props.value ? props.sign : undefined}>{props.value || '–'}</span> {props.value && <span class="unit">{props.unit}</span>}
        {props.note && <span class="reckoning-note">{props.note}</span>}
      </dd>
    </div>
  );
}

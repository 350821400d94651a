import { describe, expect, it } from 'vitest';
import { ICONS } from '../src/core/icons';
import { assetClassOf, tell, usualDecimals } from '../src/core/narrate';
import type { ArenaEvent, Payload } from '../src/core/wire';
import { event, PLACED } from './help';

function words(one: ArenaEvent): string {
  const { icon, parts } = tell(one);
  return `${ICONS[icon].glyph} ${parts.map((part) => part.text).join(' ')}`;
}

describe('the three lines of the first version, to the letter', () => {
  it('OCO placed', () => {
    expect(words(event('oco_placed', PLACED))).toBe('📊 OCO Placed EUR_USD BUY 100 units | SL: 1.16, TP: 1.17 | Mode: paper | Status: PENDING');
  });

  it('order filled', () => {
    const payload = { instrument: 'BTC-USD', side: 'BUY', units: 0.001, price: 42500.5, leg: 'entry', realized_pnl: 0 };
    expect(words(event('order_filled', payload, { source: 'coinbase' }))).toBe('✓ Order Filled BTC-USD 0.001 @ 42500.50');
  });

  it('order cancelled', () => {
    expect(words(event('order_cancelled', { instrument: 'EUR_USD', order_id: 'paper-oanda-1' }))).toBe(
      '✕ Order Cancelled EUR_USD Order ID: paper-oanda-1',
    );
  });

  it('the Coinbase form of the fields is read too', () => {
    const payload = { product_id: 'BTC-USD', side: 'SELL', size: 0.5, stop_loss_price: 43000, take_profit_price: 41000.5, mode: 'paper' };
    expect(words(event('oco_placed', payload))).toBe('📊 OCO Placed BTC-USD SELL 0.5 units | SL: 43000, TP: 41000.5 | Mode: paper | Status: PENDING');
  });
});

describe('the other types follow their pattern', () => {
  it.each<[string, Payload, string]>([
    [
      'order_filled',
      { ...PLACED, price: 1.17, leg: 'take_profit', realized_pnl: 0.45 },
      '✓ Order Filled EUR_USD 100 @ 1.17000 | Take profit | P&L +0.45',
    ],
    [
      'order_partially_filled',
      { ...PLACED, price: 1.1655, fill_units: 40, remaining_units: 60, leg: 'entry' },
      '✓ Order Partially Filled EUR_USD 40 @ 1.16550 | 60 to go',
    ],
    [
      'order_cancelled',
      { ...PLACED, leg: 'stop_loss', reason: 'oco_sibling' },
      '✕ Order Cancelled EUR_USD Order ID: paper-oanda-3 | stop loss | oco sibling',
    ],
    [
      'order_rejected',
      { ...PLACED, code: 'INSUFFICIENT_MARGIN', message: 'too much' },
      '⊘ Order Rejected EUR_USD BUY 100 units | INSUFFICIENT_MARGIN | too much',
    ],
    [
      'order_modified',
      { ...PLACED, changes: { stop_loss_price: { from: 1.16, to: 1.161 } } },
      '✎ Order Modified EUR_USD Order ID: paper-oanda-3 | SL: 1.16100',
    ],
    [
      'bracket_closed',
      { ...PLACED, close_reason: 'STOP_LOSS', realized_pnl: -0.55, r_multiple: -1 },
      '■ Bracket Closed EUR_USD Order ID: paper-oanda-3 | Stop loss | P&L −0.55 | −1.00 R',
    ],
    [
      'order_filled',
      { ...PLACED, price: 1.17, leg: 'take_profit', realized_pnl: 0.3345, fee: 12.3402 },
      '✓ Order Filled EUR_USD 100 @ 1.17000 | Take profit | P&L +0.33, fees 12.34',
    ],
    [
      'bracket_closed',
      { ...PLACED, close_reason: 'TAKE_PROFIT', realized_pnl: 0.3345, fees: 30.8485, r_multiple: -8.93 },
      '■ Bracket Closed EUR_USD Order ID: paper-oanda-3 | Take profit | P&L +0.33, fees 30.85 | −8.93 R',
    ],
    ['protection_lost', { ...PLACED, reason: 'leg_refused' }, '⚠ Protection Lost EUR_USD Order ID: paper-oanda-3 | Leg refused'],
    [
      'trading_state_changed',
      { old: 'ACTIVE', new: 'HALTED', reason: 'lunch', changed_by: 'trader@test' },
      '⏻ Trading State oanda HALTED | by trader@test | lunch',
    ],
    [
      'reconciled',
      { blind_s: 0, orders: 2, details: { differences: ['the venue charged 1.25 USD of financing', 7] } },
      '⇄ Reconciled oanda | the venue charged 1.25 USD of financing | 7',
    ],
    ['feed_stale', { instruments: ['EUR_USD'], reason: 'stale', age_ms: 10400 }, '∿ Feed Stale oanda EUR_USD | stale | no quote for 10.4 s'],
    [
      'paper_reset',
      { venue: 'oanda', balance: 100000, currency: 'USD', reset_by: 'me' },
      '↺ Paper Account Reset oanda | balance 100,000.00 USD | by me',
    ],
    ['source_reset', { reason: 'created' }, '↺ History Begins oanda | created'],
  ])('%s', (type, payload, expected) => {
    expect(words(event(type, payload))).toBe(expected);
  });

  it('a win that its fees eat is told as the loss it is', () => {
    const toneOf = (type: string, payload: Payload): string => tell(event(type, { ...PLACED, leg: 'take_profit', ...payload })).tone;
    expect(toneOf('order_filled', { realized_pnl: 0.33, fee: 12.34 })).toBe('bad');
    expect(toneOf('order_filled', { realized_pnl: 0.33, fee: 0.1 })).toBe('good');
    expect(toneOf('order_filled', { realized_pnl: 0.33, fee: 0 })).toBe('good');
    expect(toneOf('bracket_closed', { realized_pnl: 0.33, fees: 30.85 })).toBe('bad');
  });

  it('Rick speaks in his own words', () => {
    const telling = tell(event('narration', { text: 'Risking 0.55 to make 0.45.', tone: 'warning' }, { source: 'rick' }));
    expect(telling).toMatchObject({
      icon: 'rick',
      tone: 'warning',
      parts: [{ text: 'Rick' }, { text: 'Risking 0.55 to make 0.45.', role: 'quote' }],
    });
  });

  it('a type nobody here knows is still told', () => {
    expect(words(event('margin_called', PLACED))).toBe('• Margin called EUR_USD Order ID: paper-oanda-3 oanda');
    expect(words(event('constructor', {}))).toBe('• Constructor oanda');
    expect(words(event('__proto__', {}))).toContain('oanda');
  });
});

describe('what no honest server would send', () => {
  it.each([
    'oco_placed',
    'order_filled',
    'order_partially_filled',
    'order_cancelled',
    'order_modified',
    'bracket_closed',
    'narration',
    'heartbeat',
    'trading_state_changed',
    'feed_stale',
    'reconciled',
    'paper_reset',
  ])('%s survives fields of every wrong type', (type) => {
    for (const value of [null, true, [], {}, 'x'.repeat(5000), '\u202e\n<img>', -1, 1e300]) {
      const names = [
        'instrument',
        'side',
        'units',
        'sl',
        'tp',
        'price',
        'leg',
        'reason',
        'changes',
        'text',
        'tone',
        'programs',
        'realized_pnl',
        'r_multiple',
        'new',
        'instruments',
        'orders',
        'balance',
        'order_id',
        'about',
      ];
      const payload = Object.fromEntries(names.map((name) => [name, value])) as Payload;
      const line = words(event(type, payload));
      expect(line).not.toMatch(/undefined|NaN|\[object|null|[\n\u202e]/);
      expect(line.length).toBeLessThan(4000);
    }
  });

  it('a field called like a method is no method', () => {
    expect(words(event('order_cancelled', { ...PLACED, leg: 'constructor', reason: 'toString' }))).toContain('constructor | tostring');
    expect(words(event('order_modified', { ...PLACED, changes: { constructor: 1, __proto__: 2 } }))).toContain('constructor: 1');
  });
});

describe('kinds', () => {
  it('crypto and forex by name, and the places that are usual', () => {
    expect(assetClassOf('BTC-USD')).toBe('crypto');
    expect(assetClassOf('EUR_USD')).toBe('forex');
    expect(usualDecimals('USD_JPY')).toBe(3);
    expect(usualDecimals('EUR_USD')).toBe(5);
    expect(usualDecimals('ETH-USD')).toBe(2);
  });
});

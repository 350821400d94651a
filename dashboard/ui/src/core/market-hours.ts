/** The forex week: Sunday 17:00 to Friday 17:00 in New York. By the wall clock, for words on the page; what fills when is the server's to decide. */

const NEW_YORK = new Intl.DateTimeFormat('en-US', { timeZone: 'America/New_York', weekday: 'short', hour: '2-digit', hourCycle: 'h23' });
const TURN_HOUR = 17;

export function isForexClosed(at: number): boolean {
  const parts = NEW_YORK.formatToParts(at);
  const day = parts.find(({ type }) => type === 'weekday')?.value;
  const hour = Number(parts.find(({ type }) => type === 'hour')?.value);
  if (day === 'Sat') return true;
  if (day === 'Fri') return hour >= TURN_HOUR;
  return day === 'Sun' && hour < TURN_HOUR;
}

// Numbers and times for people.
const UNITS = ['B', 'KB', 'MB', 'GB', 'TB'];

const counts = new Intl.NumberFormat('en');
const clock = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const full = new Intl.DateTimeFormat(undefined, { dateStyle: 'long', timeStyle: 'long' });
const day = new Intl.DateTimeFormat(undefined, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

export const count = (number) => counts.format(number);

/** Such as `3 tunnels`. */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? '' : 's'}`;

/** Bytes in decimal units, such as `1.2 MB`. */
export function bytes(number) {
  let value = number;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit > 0 && value < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export const exactBytes = (number) => `${count(Math.round(number))} bytes`;
export const rate = (number) => `${bytes(number)}/s`;
export const exactRate = (number) => `${exactBytes(number)} per second`;

/** Seconds as milliseconds, such as `12 ms`. */
export function milliseconds(seconds) {
  const value = seconds * 1000;
  if (value >= 9_950) return `${seconds.toFixed(0)} s`;
  if (value >= 999.5) return `${seconds.toFixed(1)} s`;
  return `${value.toFixed(value < 9.95 ? 1 : 0)} ms`;
}

/** Milliseconds as the two largest units, such as `2 h 5 min`. */
export function duration(value) {
  const seconds = Math.max(0, Math.floor(value / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return pair(hours, 'h', minutes % 60, 'min');
  return pair(Math.floor(hours / 24), 'd', hours % 24, 'h');
}

const pair = (large, unit, small, smallUnit) =>
  small === 0 ? `${large} ${unit}` : `${large} ${unit} ${small} ${smallUnit}`;

/** A time of today as a clock, an older time with its day. */
export function time(value, now) {
  return now - value < 20 * 3_600_000 ? clock.format(value) : day.format(value);
}

export const exactTime = (value) => full.format(value);

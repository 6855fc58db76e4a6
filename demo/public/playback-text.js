// Times, sizes and names for people.

/** `1:05` or `1:02:05`. */
export function timeOf(ms) {
  const seconds = Math.floor(ms / 1000);
  const two = (value) => String(value).padStart(2, '0');
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`;
}

/** `1 minute 5 seconds`, for screen readers. */
export function spokenTime(ms) {
  const seconds = Math.floor(ms / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'hour'],
    [Math.floor(seconds / 60) % 60, 'minute'],
    [seconds % 60, 'second'],
  ];
  const words = parts
    .filter(([value]) => value > 0)
    .map(([value, unit]) => `${value} ${unit}${value > 1 ? 's' : ''}`);
  return words.join(' ') || '0 seconds';
}

/** `820 B`, `14 kB` or `2.3 MB`. */
export function sizeOf(bytes) {
  if (bytes < 1000) return `${bytes} B`;
  if (bytes < 999_500) return `${Math.round(bytes / 1000)} kB`;
  if (bytes < 999_500_000) return `${(bytes / 1e6).toFixed(1)} MB`;
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

/** In the language of the browser; `timeStyle`: `medium` with seconds. */
export function dateOf(ms, timeStyle = 'short') {
  return new Date(ms).toLocaleString(undefined, { dateStyle: 'medium', timeStyle });
}

const states = {
  finished: 'Finished',
  recording: 'Recording now',
  unfinished: 'Not finished',
  unreadable: 'Not readable',
};

export const stateOf = ({ state, reason }) =>
  state === 'finished' && reason !== undefined ? 'Stopped early' : states[state];

/** The user of a tunnel is a name and a login. */
export const userOf = ({ user }) => user?.split('/')[0] ?? 'unknown';

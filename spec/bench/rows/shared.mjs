// For the rows of all subjects: sizes, arguments of the load, and the largest number of tunnels.
import { descriptors } from '../system.mjs';

export const KIB = 1024;
export const MIB = 1024 * KIB;
export const GIB = 1024 * MIB;

/** The relay and the load need two descriptors each per tunnel, and lighttpd accepts no client above nine tenths of its limit. */
const MOST_TUNNELS = Math.floor((descriptors * 0.9) / 2) - 20;

/** As many tunnels as asked for, if the limit of descriptors allows; few of them in a quick run. */
export function tunnelCount(wanted, quick) {
  return Math.min(wanted, quick ? 50 : MOST_TUNNELS);
}

export const up = (frame) => ['--mode', 'up', '--frame', String(frame)];
export const echo = (frame) => ['--mode', 'echo', '--frame', String(frame)];
export const DOWN = ['--mode', 'down', '--write', String(64 * KIB)];

/** A server's handshakes need thousands of runs to warm up, more than in the one second of other rows. */
export const repeated = (mode, quick) => [
  ...['--mode', mode, '--frame', String(KIB)],
  ...(quick ? [] : ['--warm', '3']),
];

export const inWords = (count) => count.toLocaleString('en');

// System calls.
import { DOWN, echo, KIB, up } from './shared.mjs';

/** A read and a write for each 512 KiB, the most bytes of one read of our relay. */
const LEAST_PER_MB = (2 * 1e6) / (512 * KIB);
/** In each direction: a wait, a read and a write. */
const LEAST_PER_TRIP = 6;

/** @returns {import('./index.mjs').Row[]} */
export function callRows() {
  return [
    {
      name: 'calls-download',
      what: 'system calls, download',
      kind: 'calls',
      args: DOWN,
      leastCalls: LEAST_PER_MB,
    },
    {
      name: 'calls-upload',
      what: 'system calls, upload in frames of 64 KiB',
      kind: 'calls',
      args: up(64 * KIB),
      leastCalls: LEAST_PER_MB,
    },
    {
      name: 'calls-echo',
      what: 'system calls, round trip of 64 B',
      kind: 'calls',
      args: echo(64),
      leastCalls: LEAST_PER_TRIP,
    },
  ];
}

// Round trips: over one tunnel at a time, and over 1,000 tunnels at half of the relay's capacity.
import { echo, inWords, KIB, tunnelCount } from './shared.mjs';

/** @returns {import('./index.mjs').Row[]} */
export function tripRows({ quick }) {
  const most = tunnelCount(9000, false);
  return [
    {
      name: 'echo-64',
      what: 'round trip of 64 B',
      kind: 'trips',
      args: echo(64),
      targets: [
        { metric: 'p50', against: 'lighttpd', most: 0.9 },
        { metric: 'cpu', against: 'lighttpd', most: 1 },
      ],
    },
    { name: 'echo-16k', what: 'round trip of 16 KiB', kind: 'trips', args: echo(16 * KIB) },
    {
      name: 'echo-10',
      what: 'round trip of 64 B over 10 tunnels in turn',
      kind: 'trips',
      tunnels: 10,
      args: echo(64),
    },
    {
      name: 'echo-9000',
      what: `round trip of 64 B over ${inWords(most)} tunnels in turn`,
      kind: 'trips',
      tunnels: tunnelCount(most, quick),
      args: echo(64),
    },
    {
      name: 'echo-1000-half',
      what: 'round trips of 64 B over 1,000 tunnels at half of the capacity',
      kind: 'half',
      tunnels: tunnelCount(1000, quick),
      args: ['--mode', 'half', '--frame', '64'],
      targets: [
        { metric: 'p99', most: 2000 },
        { metric: 'p999', most: 10_000 },
      ],
    },
  ];
}

// The memory of open tunnels.
import { inWords, KIB, tunnelCount } from './shared.mjs';

/**
 * Seconds between the last handshake, or the last exchange, and the measurement of the memory. V8 may collect the garbage of the
 * handshakes some eight to fifteen seconds later, when the process has little to do; other programs free memory at once or never.
 */
const SETTLE = { node: 20, other: 1.5 };

/** @returns {import('./index.mjs').Row[]} */
export function memoryRows({ quick }) {
  const most = tunnelCount(9000, false);
  const row = {
    kind: 'memory',
    args: ['--mode', 'memory', '--frame', String(64 * KIB)],
    settle: quick ? { node: 0.1, other: 0.1 } : SETTLE,
  };
  return [
    {
      ...row,
      name: 'memory',
      what: 'memory for each of 1,000 tunnels',
      tunnels: tunnelCount(1000, quick),
      targets: [
        { metric: 'idle', most: 20 },
        { metric: 'used', against: 'lighttpd', most: 1 },
      ],
    },
    {
      ...row,
      name: 'memory-9000',
      what: `memory for each of ${inWords(most)} tunnels`,
      tunnels: tunnelCount(most, quick),
      targets: [{ metric: 'idle', most: 16 }],
    },
    {
      ...row,
      name: 'memory-tls',
      what: 'memory for each of 1,000 tunnels over TLS',
      tunnels: tunnelCount(1000, quick),
      tls: true,
      targets: [{ metric: 'idle', most: 40 }],
    },
  ];
}

// New connections: handshakes, requests of a page, a storm of clients after a restart, and the command with several workers.
import { inWords, repeated, tunnelCount } from './shared.mjs';

/** @returns {import('./index.mjs').Row[]} */
export function connectionRows({ quick }) {
  const most = tunnelCount(10_000, false);
  return [
    {
      name: 'handshakes',
      what: 'handshakes, bare http',
      kind: 'handshakes',
      args: repeated('handshakes', quick),
      variant: 'bare',
      framesOnly: true,
      targets: [{ metric: 'cpu', against: 'ws', most: 1.3 }],
    },
    {
      name: 'handshakes-session',
      what: 'handshakes, ours through Express with a session',
      kind: 'handshakes',
      args: repeated('handshakes', quick),
      variant: 'session',
      peers: ['ours', 'lighttpd'],
      targets: [
        {
          metric: 'cpu',
          against: [
            { peer: 'ws', row: 'handshakes' },
            { peer: 'ours', row: 'get-session' },
          ],
          most: 1.2,
        },
      ],
    },
    {
      name: 'get-session',
      what: 'GETs of a page, ours through Express with a session',
      kind: 'handshakes',
      args: repeated('gets', quick),
      variant: 'session',
      peers: ['ours', 'lighttpd'],
    },
    {
      name: 'storm',
      what: `${inWords(most)} clients that connect at once`,
      kind: 'storm',
      tunnels: tunnelCount(most, quick),
      args: ['--mode', 'storm', '--frame', '64', '--deadline', '40'],
      framesOnly: true,
      targets: [{ metric: 'unavailable', most: 0 }],
    },
    ...[1, 2].map((workers) => ({
      name: `workers-${workers}`,
      what: `handshakes, the command with --workers ${workers}`,
      kind: 'workers',
      args: [...repeated('handshakes', quick), '--at-once', '64', '--priority'],
      workers,
      peers: ['ours'],
      targets:
        workers === 2
          ? [{ metric: 'capacity', against: [{ peer: 'ours', row: 'workers-1' }], least: 1.8 }]
          : undefined,
    })),
  ];
}

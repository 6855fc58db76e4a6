// Bulk traffic: downloads and uploads, in frames of each size, over TLS, through many tunnels, beside a slow reader.
import { DOWN, GIB, inWords, KIB, MIB, tunnelCount, up } from './shared.mjs';

/** @returns {import('./index.mjs').Row[]} */
export function trafficRows({ quick }) {
  return [...plainRows(), ...tunnelRows(quick), ...tlsRows(), ...oddRows(quick)];
}

function plainRows() {
  return [
    {
      name: 'download',
      what: 'download in writes of 64 KiB',
      kind: 'traffic',
      args: DOWN,
      targets: [
        { metric: 'rate', against: 'lighttpd', least: 3 },
        { metric: 'cpu', against: 'haproxy', most: 1 },
      ],
    },
    {
      name: 'upload-1m',
      what: 'upload in frames of 1 MB',
      kind: 'traffic',
      args: up(1e6),
      targets: [{ metric: 'rate', against: 'lighttpd', least: 3.5 }],
    },
    {
      name: 'upload-64k',
      what: 'upload in frames of 64 KiB',
      kind: 'traffic',
      args: up(64 * KIB),
      targets: [
        { metric: 'rate', against: 'lighttpd', least: 3 },
        { metric: 'rate', against: 'haproxy', least: 0.7 },
      ],
    },
    {
      name: 'upload-1k',
      what: 'upload in frames of 1 KiB',
      kind: 'traffic',
      args: up(KIB),
      targets: [{ metric: 'rate', against: 'lighttpd', least: 3 }],
    },
    {
      name: 'upload-64',
      what: 'upload in frames of 64 B',
      kind: 'traffic',
      args: up(64),
      targets: [{ metric: 'rate', against: 'lighttpd', least: 3 }],
    },
    { name: 'both', what: 'both directions at once, 64 KiB', kind: 'traffic', args: ['--mode', 'both'] },
  ];
}

function tunnelRows(quick) {
  return [1, 10, 100, 1000].map((tunnels) => ({
    name: `tunnels-${tunnels}`,
    what: `download through ${inWords(tunnels)} tunnel${tunnels > 1 ? 's' : ''}`,
    kind: 'traffic',
    tunnels: tunnelCount(tunnels, quick),
    args: DOWN,
    targets:
      tunnels === 1000
        ? [{ metric: 'cpu', against: [{ peer: 'ours', row: 'tunnels-1' }], most: 1.15 }]
        : undefined,
  }));
}

function tlsRows() {
  const targets = [
    { metric: 'rate', against: 'haproxy', least: 1.3 },
    { metric: 'rate', against: 'lighttpd', least: 1 },
  ];
  return [
    { name: 'tls-download', what: 'download over TLS', kind: 'traffic', args: DOWN, tls: true, targets },
    {
      name: 'tls-upload',
      what: 'upload over TLS in frames of 64 KiB',
      kind: 'traffic',
      args: up(64 * KIB),
      tls: true,
      targets,
    },
  ];
}

function oddRows(quick) {
  return [
    {
      name: 'frame-10g',
      what: 'one frame of 10 GiB',
      kind: 'giant',
      args: [...up(64 * KIB), '--giant', String(quick ? 64 * MIB : 10 * GIB), '--deadline', '120'],
      framesOnly: true,
      targets: [{ metric: 'growth', most: 4 }],
    },
    {
      name: 'slow',
      what: 'one reader of 1 MB/s among 10 fast ones',
      kind: 'slow',
      tunnels: 11,
      args: [...DOWN, '--slow', '1000000'],
    },
  ];
}

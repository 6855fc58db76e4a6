// What a user feels while others copy files: an echo of 64 B, a GET or a new tunnel beside bulk tunnels.
import { DOWN, KIB, up } from './shared.mjs';

const BULKS = [
  { name: 'download', what: 'downloads', args: DOWN },
  { name: 'upload', what: 'uploads in frames of 64 KiB', args: up(64 * KIB) },
  { name: 'small', what: 'uploads in frames of 64 B', args: up(64) },
];

const ECHO = { name: 'echo', what: 'round trip of 64 B' };

function beside(name, end, bulk, tunnels) {
  return {
    name,
    what: `${end.what} beside ${tunnels} ${bulk.what}`,
    kind: 'beside',
    tunnels,
    args: [...bulk.args, '--beside', end.name],
  };
}

/** @returns {import('./index.mjs').Row[]} */
export function besideRows() {
  const few = BULKS.map((bulk) => ({
    ...beside(`echo-beside-${bulk.name}`, ECHO, bulk, 4),
    targets: [
      { metric: 'p99', against: 'lighttpd', most: 1 },
      { metric: 'p99', most: 2000 },
      { metric: 'rate', against: 'haproxy', least: 1 },
    ],
  }));
  const many = BULKS.map((bulk) => ({
    ...beside(`echo-beside-${bulk.name}-32`, ECHO, bulk, 32),
    targets: [
      { metric: 'p99', against: 'lighttpd', most: 1 },
      { metric: 'p99', against: [{ peer: 'ours', row: `echo-beside-${bulk.name}` }], most: 3 },
      { metric: 'rate', against: 'haproxy', least: 1 },
    ],
  }));
  const others = [
    beside('get-beside-download', { name: 'get', what: 'GET of a page' }, BULKS[0], 4),
    beside('open-beside-download', { name: 'open', what: 'a new tunnel' }, BULKS[0], 4),
  ].map((row) => ({ ...row, framesOnly: true, targets: [{ metric: 'p99', against: 'lighttpd', most: 1 }] }));
  return [...few, ...many, ...others];
}

// The measurements (rows), and their targets.
import { descriptors } from './system.mjs';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** The relay and the load need two descriptors each per tunnel, and lighttpd accepts no client above nine tenths of its limit. */
const MOST_TUNNELS = Math.min(9000, Math.floor((descriptors * 0.9) / 2) - 20);

/**
 * @typedef {object} Target bounds of a row's metric: of our figure divided by a peer's, or of our figure alone
 * @property {string} metric
 * @property {string} [against] the peer to compare with
 * @property {string} [row] the row of the peer's figure; default: the same row
 * @property {number} [least]
 * @property {number} [most]
 *
 * @typedef {object} Row
 * @property {string} name
 * @property {string} what
 * @property {'traffic' | 'trips' | 'handshakes' | 'memory' | 'giant' | 'slow' | 'calls' | 'beside'} kind
 * @property {number} [tunnels]
 * @property {string[]} args arguments of the load
 * @property {boolean} [tls]
 * @property {'bare' | 'session'} [variant] the variant of our relay
 * @property {string[]} [peers] the only peers of the row
 * @property {boolean} [framesOnly] the row does not apply to a relay without WebSocket
 * @property {number} [leastCalls] fewest possible system calls per MB or trip
 * @property {Target[]} [targets]
 */

const up = (frame) => ['--mode', 'up', '--frame', String(frame)];
const echo = (frame) => ['--mode', 'echo', '--frame', String(frame)];
/** A server's handshakes need thousands of runs to warm up, more than in the one second of other rows. */
const handshakes = (quick) => [
  '--mode',
  'handshakes',
  '--frame',
  String(KIB),
  ...(quick ? [] : ['--warm', '3']),
];
const DOWN = ['--mode', 'down', '--write', String(64 * KIB)];

/**
 * A measured end with real-time priority beside bulk tunnels: an echo of 64 B, a GET or a new tunnel.
 * @returns {Row[]}
 */
function besideRows() {
  const bulks = [
    { name: 'download', what: 'downloads', args: DOWN },
    { name: 'upload', what: 'uploads in frames of 64 KiB', args: up(64 * KIB) },
    { name: 'small', what: 'uploads in frames of 64 B', args: up(64) },
  ];
  const beside = (name, end, bulk, tunnels) => ({
    name,
    what: `${end.what} beside ${tunnels} ${bulk.what}`,
    kind: /** @type {const} */ ('beside'),
    tunnels,
    args: [...bulk.args, '--beside', end.name],
  });
  const echo = { name: 'echo', what: 'round trip of 64 B' };
  const few = bulks.map((bulk) => ({
    ...beside(`echo-beside-${bulk.name}`, echo, bulk, 4),
    targets: [
      { metric: 'p99', against: 'lighttpd', most: 1 },
      { metric: 'p99', most: 2000 },
      { metric: 'rate', against: 'haproxy', least: 1 },
    ],
  }));
  const many = bulks.map((bulk) => ({
    ...beside(`echo-beside-${bulk.name}-32`, echo, bulk, 32),
    targets: [
      { metric: 'p99', against: 'lighttpd', most: 1 },
      { metric: 'p99', against: 'ours', row: `echo-beside-${bulk.name}`, most: 3 },
      { metric: 'rate', against: 'haproxy', least: 1 },
    ],
  }));
  const others = [
    beside('get-beside-download', { name: 'get', what: 'GET of a page' }, bulks[0], 4),
    beside('open-beside-download', { name: 'open', what: 'a new tunnel' }, bulks[0], 4),
  ].map((row) => ({ ...row, framesOnly: true, targets: [{ metric: 'p99', against: 'lighttpd', most: 1 }] }));
  return [...few, ...many, ...others];
}

/** A read and a write for each 512 KiB, the most bytes of one read of our relay. */
const LEAST_PER_MB = (2 * 1e6) / (512 * KIB);
/** In each direction: a wait, a read and a write. */
const LEAST_PER_TRIP = 6;

/** @returns {Row[]} */
export function allRows({ quick = false } = {}) {
  const many = (count) => (quick ? Math.min(count, 50) : count);
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
    { name: 'both', what: 'both directions at once, 64 KiB', kind: 'traffic', args: ['--mode', 'both'] },
    ...[1, 10, 100, 1000].map((tunnels) => ({
      name: `tunnels-${tunnels}`,
      what: `download through ${tunnels.toLocaleString('en')} tunnel${tunnels > 1 ? 's' : ''}`,
      kind: /** @type {const} */ ('traffic'),
      tunnels: many(tunnels),
      args: DOWN,
      targets:
        tunnels === 1000 ? [{ metric: 'cpu', against: 'ours', row: 'tunnels-1', most: 1.15 }] : undefined,
    })),
    {
      name: 'handshakes',
      what: 'handshakes, bare http',
      kind: 'handshakes',
      args: handshakes(quick),
      variant: 'bare',
      framesOnly: true,
      targets: [{ metric: 'rate', against: 'lighttpd', least: 1 }],
    },
    {
      name: 'handshakes-session',
      what: 'handshakes, ours through Express with a session',
      kind: 'handshakes',
      args: handshakes(quick),
      variant: 'session',
      peers: ['ours', 'lighttpd'],
      targets: [{ metric: 'rate', against: 'lighttpd', least: 0.6 }],
    },
    {
      name: 'memory',
      what: 'memory for each tunnel',
      kind: 'memory',
      tunnels: many(1000),
      args: ['--mode', 'memory', '--frame', String(64 * KIB), '--settle', quick ? '0.1' : '1.5'],
      targets: [{ metric: 'used', against: 'lighttpd', most: 1 }],
    },
    {
      name: 'memory-9000',
      what: `memory for each tunnel, of ${MOST_TUNNELS.toLocaleString('en')}`,
      kind: 'memory',
      tunnels: many(MOST_TUNNELS),
      args: ['--mode', 'memory', '--frame', String(64 * KIB), '--settle', quick ? '0.1' : '1.5'],
    },
    { name: 'tls-download', what: 'download over TLS', kind: 'traffic', args: DOWN, tls: true },
    {
      name: 'frame-10g',
      what: 'one frame of 10 GiB',
      kind: 'giant',
      args: [...up(64 * KIB), '--giant', String(quick ? 64 * MIB : 10 * GIB), '--deadline', '120'],
      framesOnly: true,
      targets: [{ metric: 'growth', most: 4 }],
    },
    {
      name: 'echo-10',
      what: 'round trip of 64 B over 10 tunnels in turn',
      kind: 'trips',
      tunnels: 10,
      args: echo(64),
    },
    {
      name: 'echo-9000',
      what: `the same over ${MOST_TUNNELS.toLocaleString('en')}`,
      kind: 'trips',
      tunnels: many(MOST_TUNNELS),
      args: echo(64),
    },
    {
      name: 'slow',
      what: 'one reader of 1 MB/s among 10 fast ones',
      kind: 'slow',
      tunnels: 11,
      args: [...DOWN, '--slow', '1000000'],
    },
    ...besideRows(),
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

/**
 * The figures of each kind of row, in the order of the tables. `from` computes a figure from the load's answer; CPU is the relay's
 * own time, user and system.
 */
export const METRICS = {
  traffic: {
    rate: { unit: 'MB/s', digits: 0, from: (one) => one.bytes / one.seconds / 1e6 },
    cpu: { unit: 'CPU s/GB', digits: 3, from: (one) => one.cpu / (one.bytes / 1e9) },
    user: { unit: 'of it user', digits: 3, from: (one) => (one.cpu * userShare(one)) / (one.bytes / 1e9) },
    busy: { unit: "load's core %", digits: 0, from: (one) => one.load * 100, noRatio: true },
  },
  trips: {
    p50: { unit: 'p50 µs', digits: 1, from: (one) => one.p50 },
    p99: { unit: 'p99 µs', digits: 1, from: (one) => one.p99 },
    cpu: { unit: 'CPU µs/trip', digits: 1, from: (one) => (one.cpu / one.trips) * 1e6 },
    busy: { unit: "load's core %", digits: 0, from: (one) => one.load * 100, noRatio: true },
  },
  beside: {
    p50: { unit: 'p50 µs', digits: 0, from: (one) => one.p50 },
    p99: { unit: 'p99 µs', digits: 0, from: (one) => one.p99 },
    p999: { unit: 'p99.9 µs', digits: 0, from: (one) => one.p999 },
    rate: { unit: 'bulk MB/s', digits: 0, from: (one) => one.bytes / one.seconds / 1e6 },
    cpu: { unit: 'CPU s/GB', digits: 3, from: (one) => one.cpu / (one.bytes / 1e9) },
    busy: { unit: "load's core %", digits: 0, from: (one) => one.load * 100, noRatio: true },
  },
  handshakes: {
    rate: { unit: '1/s', digits: 0, from: (one) => one.trips / one.seconds },
    cpu: { unit: 'CPU µs each', digits: 0, from: (one) => (one.cpu / one.trips) * 1e6 },
    p99: { unit: 'p99 µs', digits: 0, from: (one) => one.p99 },
    busy: { unit: "load's core %", digits: 0, from: (one) => one.load * 100, noRatio: true },
  },
  memory: {
    idle: { unit: 'KiB, idle', digits: 1, from: (one) => (one.open - one.start) / one.tunnels },
    used: { unit: 'KiB, after 64 KiB', digits: 1, from: (one) => (one.used - one.start) / one.tunnels },
    start: { unit: 'MiB without any', digits: 1, from: (one) => one.start / 1024, noRatio: true },
  },
  giant: {
    rate: { unit: 'MB/s', digits: 0, from: (one) => one.bytes / one.seconds / 1e6 },
    cpu: { unit: 'CPU s/GB', digits: 3, from: (one) => one.cpu / (one.bytes / 1e9) },
    growth: {
      unit: 'MiB more',
      digits: 1,
      from: (one) => Math.max(0, one.rss - one.rssBefore) / 1024,
      noRatio: true,
    },
  },
  slow: {
    rate: { unit: 'MB/s, the fast', digits: 0, from: (one) => (one.bytes - one.slow) / one.seconds / 1e6 },
    slow: { unit: 'MB/s, the slow', digits: 2, from: (one) => one.slow / one.seconds / 1e6, noRatio: true },
    rss: { unit: 'MiB in all', digits: 0, from: (one) => one.rss / 1024, noRatio: true },
  },
  calls: {
    calls: { unit: 'calls/MB or trip', digits: 1, from: (one) => one.calls },
    least: { unit: 'the least', digits: 1, from: (one) => one.least, noRatio: true },
  },
};

/** The kernel counts user and system time separately only in ticks. */
function userShare({ user, system }) {
  return user + system > 0 ? user / (user + system) : 0;
}

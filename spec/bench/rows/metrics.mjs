// The figures that the bench computes from the load's answers.

/** The load's use of its core: close to 100, the load rather than the relay limits the rate. */
const busy = { unit: "load's core %", digits: 0, from: (one) => one.load * 100, noRatio: true };
const rate = { unit: 'MB/s', digits: 0, from: (one) => one.bytes / one.seconds / 1e6 };
const cpu = { unit: 'CPU s/GB', digits: 3, from: (one) => one.cpu / (one.bytes / 1e9) };
const trips = { unit: 'number', digits: 0, from: (one) => one.trips, noRatio: true };
const percentiles = (digits) => ({
  p50: { unit: 'p50 µs', digits, from: (one) => one.p50 },
  p99: { unit: 'p99 µs', digits, from: (one) => one.p99 },
  p999: { unit: 'p99.9 µs', digits, from: (one) => one.p999 },
});

/**
 * The figures of each kind of row, in the order of the tables. `from` computes a figure from the load's answer; CPU is the relay's
 * own time, user and system.
 */
export const METRICS = {
  traffic: {
    rate,
    cpu,
    user: {
      unit: 'user CPU s/GB',
      digits: 3,
      from: (one) => (one.cpu * userShare(one)) / (one.bytes / 1e9),
    },
    busy,
  },
  trips: {
    p50: { unit: 'p50 µs', digits: 1, from: (one) => one.p50 },
    p99: { unit: 'p99 µs', digits: 1, from: (one) => one.p99 },
    cpu: { unit: 'CPU µs per trip', digits: 1, from: (one) => (one.cpu / one.trips) * 1e6 },
    busy,
  },
  beside: { ...percentiles(0), trips, rate: { ...rate, unit: 'MB/s of the bulk' }, cpu, busy },
  half: {
    capacity: { unit: 'capacity, trips/s', digits: 0, from: (one) => one.capacity },
    ...percentiles(0),
    cpu: { unit: 'CPU µs per trip', digits: 1, from: (one) => (one.cpu / one.trips) * 1e6 },
    busy,
    full: { ...busy, unit: "load's core % at capacity", from: (one) => one.loadAtCapacity * 100 },
  },
  handshakes: {
    rate: { unit: 'per second', digits: 0, from: (one) => one.trips / one.seconds },
    cpu: { unit: 'CPU µs each', digits: 0, from: (one) => (one.cpu / one.trips) * 1e6 },
    p99: { unit: 'p99 µs', digits: 0, from: (one) => one.p99 },
    busy,
  },
  workers: {
    rate: { unit: 'per second', digits: 0, from: (one) => one.trips / one.seconds },
    cpu: { unit: 'CPU µs each', digits: 0, from: (one) => (one.cpu / one.trips) * 1e6 },
    capacity: {
      unit: 'per second, if each worker had a core',
      digits: 0,
      from: (one) => (one.workers * one.trips) / one.cpu,
    },
    busy,
  },
  storm: {
    last: { unit: 's until the last 101', digits: 2, from: (one) => one.last },
    p50: { unit: 's until half have it', digits: 2, from: (one) => one.p50 / 1e6 },
    unavailable: { unit: '503 responses', digits: 0, from: (one) => one.unavailable, noRatio: true },
    unconnected: { unit: 'lost connections', digits: 0, from: (one) => one.unconnected, noRatio: true },
    overflows: { unit: 'full listen queues', digits: 0, from: (one) => one.overflows, noRatio: true },
    cpu: { unit: 'CPU µs each', digits: 0, from: (one) => (one.cpu / one.trips) * 1e6 },
    rss: { unit: 'peak MiB', digits: 0, from: (one) => one.rss / 1024, noRatio: true },
    busy,
  },
  memory: {
    idle: { unit: 'KiB, idle', digits: 1, from: (one) => (one.open - one.start) / one.tunnels },
    used: { unit: 'KiB, after 64 KiB', digits: 1, from: (one) => (one.used - one.start) / one.tunnels },
    start: { unit: 'MiB without tunnels', digits: 1, from: (one) => one.start / 1024, noRatio: true },
    settle: { unit: 's to settle', digits: 1, from: (one) => one.settle, noRatio: true },
    major: {
      unit: 'full collections meanwhile',
      digits: 0,
      from: (one) => one.collections?.settling.major ?? NaN,
      noRatio: true,
    },
  },
  giant: {
    rate,
    cpu,
    growth: {
      unit: 'additional MiB',
      digits: 1,
      from: (one) => Math.max(0, one.rss - one.rssBefore) / 1024,
      noRatio: true,
    },
  },
  slow: {
    rate: {
      unit: 'MB/s of fast readers',
      digits: 0,
      from: (one) => (one.bytes - one.slow) / one.seconds / 1e6,
    },
    slow: {
      unit: 'MB/s of the slow reader',
      digits: 2,
      from: (one) => one.slow / one.seconds / 1e6,
      noRatio: true,
    },
    rss: { unit: "relay's MiB", digits: 0, from: (one) => one.rss / 1024, noRatio: true },
  },
  calls: {
    calls: { unit: 'calls per MB or trip', digits: 1, from: (one) => one.calls },
    least: { unit: 'fewest possible', digits: 1, from: (one) => one.least, noRatio: true },
  },
};

/** The kernel counts user and system time separately only in ticks. */
function userShare({ user, system }) {
  return user + system > 0 ? user / (user + system) : 0;
}

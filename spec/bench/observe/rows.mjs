// The rows that observe.mjs compares. `unit`: the figure of the load's answer by which the CPU is divided.
import { DOWN, echo, KIB, up } from '../rows/shared.mjs';

const perGB = { unit: 'bytes', scale: 1e9, unitText: 's/GB', rateScale: 1e-6, rateText: 'MB/s' };
const perTrip = { unit: 'trips', scale: 1e6, unitText: 'µs each', rateScale: 1, rateText: 'per second' };

export const ROWS = {
  download: { args: DOWN, ...perGB },
  /** A client that reads 100 MB/s: no core is full. */
  'download-100': { args: [...DOWN, '--slow', '100000000'], ...perGB },
  upload: { args: up(64 * KIB), ...perGB },
  'upload-64': { args: up(64), ...perGB },
  both: { args: ['--mode', 'both'], ...perGB },
  echo: { args: echo(64), ...perTrip },
  handshakes: { args: ['--mode', 'handshakes', '--frame', String(KIB)], bare: true, ...perTrip },
};

const cpu = (one) => one.cpu;

/** Rows of some hundred tunnels. */
export const BUSY = {
  download: { args: DOWN, unit: 'bytes', figures: { rate: (one) => one.rate, CPU: cpu } },
  half: {
    args: ['--mode', 'half', '--frame', '64'],
    unit: 'trips',
    figures: {
      capacity: ({ raw }) => raw.capacity,
      p50: ({ raw }) => raw.p50,
      p99: ({ raw }) => raw.p99,
      'p99.9': ({ raw }) => raw.p999,
      CPU: cpu,
    },
  },
};

// Starts the apps of observe.mjs side by side, and gives the load to one after another.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, URL } from 'node:url';
import { startChild } from '../child.mjs';
import { median } from '../report.mjs';
import { runLoad } from '../run.mjs';
import { cores, descriptors, freePort } from '../system.mjs';

/** The built package of this repository. */
export const OWN = fileURLToPath(new URL('../../../dist', import.meta.url));

export async function startApp({ dist = OWN, ...settings }) {
  const backend = await freePort();
  const path = fileURLToPath(new URL('app.mjs', import.meta.url));
  const limits = [`--nofile=${descriptors}:${descriptors}`, 'taskset', '-c', String(cores[0])];
  const { port, pid, ask, end } = await startChild(
    'the app',
    path,
    { dist, ...settings, backend },
    { under: ['prlimit', ...limits], flags: ['--expose-gc', '--no-warnings'] },
  );
  return { port, backend, pid, ask, stop: end };
}

/** One measurement of the load. `unit`: the figure of the load's answer by which the CPU is divided. */
export async function measure(app, load, { args, unit }, { seconds, warm }) {
  const options = { relay: app.port, backend: app.backend, group: app.pid, seconds, warm };
  const flags = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const before = cpuOfMain(app);
  const raw = await runLoad([...flags, ...args], load);
  // Round trips during the warm-up are not counted.
  const main = raw.total ? (cpuOfMain(app) - before) / raw.total : NaN;
  return { raw, cpu: raw.cpu / raw[unit], main, rate: raw[unit] / raw.seconds };
}

/** CPU seconds of the app's JavaScript thread: other threads may use other cores. */
function cpuOfMain({ pid }) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e9;
}

/** Waits until the load's tunnels have ended. */
export async function untilClosed(app, open = 0) {
  while ((await app.ask('usage')).open > open) await sleep(20);
}

const METRICS = ['cpu', 'main', 'rate'];
const none = () => Object.fromEntries(METRICS.map((metric) => [metric, []]));

/**
 * Two apps get the load in turn: base, other, other, base. Returns the ratios of the second app to the first, of neighbours in time.
 * `starts`: new processes, since two processes of the same program differ by a few per cent. `after(app)` runs after each measurement.
 */
export async function compare(variants, load, row, { starts, turns, after, ...times }) {
  const names = Object.keys(variants);
  const figures = Object.fromEntries(names.map((name) => [name, none()]));
  const ratios = none();
  for (let start = 0; start < starts; start++) {
    const apps = {};
    // The process that starts first alternates too.
    for (const name of start % 2 === 0 ? names : [...names].reverse())
      apps[name] = await startApp(variants[name]);
    const one = async (name, limits = times) => {
      const result = await measure(apps[name], load, row, limits);
      await untilClosed(apps[name]);
      await after?.(apps[name], name);
      return result;
    };
    for (const name of names) await one(name, { ...times, warm: Math.max(times.warm, times.seconds * 2) });
    for (let turn = 0; turn < turns; turn++) {
      const pair = {};
      for (const name of turn % 2 === 0 ? names : [...names].reverse()) {
        pair[name] = await one(name);
        for (const metric of METRICS) figures[name][metric].push(pair[name][metric]);
      }
      const [base, other] = names;
      for (const metric of METRICS) ratios[metric].push(pair[other][metric] / pair[base][metric]);
    }
    for (const app of Object.values(apps)) await app.stop();
  }
  return { figures, ratios };
}

/** The median, and the range of the middle half. */
export function spread(values, digits = 3) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share) => sorted[Math.round((sorted.length - 1) * share)].toFixed(digits);
  return `${median(sorted).toFixed(digits)} (${at(0.25)} to ${at(0.75)})`;
}

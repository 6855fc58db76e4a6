import { Worker } from 'node:worker_threads';

/** Milliseconds without an event-loop turn after which a worker is killed. The slowest test needs about 3 seconds. */
const SILENCE = 120_000;

/** Milliseconds between two checks. */
const PERIOD = 500;

/**
 * A test's timeout is a timer in the test's worker. A loop that blocks the event loop also blocks this timer and the handling of
 * Ctrl-C, so neither ends the run. A thread beside the event loop kills such a worker.
 */
const CODE = `
const { writeSync } = require('node:fs');
const { workerData: { beats, silence, period, parent } } = require('node:worker_threads');
let last = -1;
let since = performance.now();
setInterval(() => {
  // Vitest has ended.
  if (process.ppid !== parent) process.kill(process.pid, 'SIGKILL');
  const now = Atomics.load(beats, 0);
  if (now !== last) [last, since] = [now, performance.now()];
  if (performance.now() - since < silence) return;
  writeSync(2, 'a spec has not left the event loop a turn for ' + silence / 1000 + ' s: its worker is ended\\n');
  process.kill(process.pid, 'SIGKILL');
}, period);
`;

export function startWatchdog(silence = SILENCE): void {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const workerData = { beats, silence, period: PERIOD, parent: process.ppid };
  new Worker(CODE, { eval: true, workerData, env: {}, execArgv: [] }).unref();
  // Keeps the real timer, since a test may install fake timers.
  setInterval(() => Atomics.add(beats, 0, 1), PERIOD).unref();
}

import { Worker } from 'node:worker_threads';

/** Milliseconds without an event-loop turn after which a worker is killed. The slowest test needs some 3 seconds. */
const SILENCE = 120_000;

/** Milliseconds between two checks. */
const PERIOD = 500;

/**
 * A test's timeout is a timer in its worker. A loop that blocks the event loop survives this timer, and the run as well,
 * since the worker never handles Ctrl-C. A thread beside the event loop kills such a worker.
 */
const CODE = `
const { writeSync } = require('node:fs');
const { workerData: { beats, silence, period, parent } } = require('node:worker_threads');
let last = -1;
let since = performance.now();
setInterval(() => {
  // Vitest is gone.
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
  // Kept from fake timers, which a test may install.
  setInterval(() => Atomics.add(beats, 0, 1), PERIOD).unref();
}

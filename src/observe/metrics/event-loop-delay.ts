import { Histogram } from './histogram.js';

/** Milliseconds between two samples. */
const INTERVAL = 100;

/** Samples after the last page of metrics, in ten minutes. */
const MOST_UNREAD = 6000;

const histogram = new Histogram([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]);
let timer: NodeJS.Timeout | undefined;
let unread = 0;

/** The delay of timers in this process, in seconds. The first call starts the samples, which end some time after the last call. */
export function eventLoopDelay(): Histogram {
  unread = 0;
  timer ??= startTimer();
  return histogram;
}

function startTimer(): NodeJS.Timeout {
  let due = performance.now() + INTERVAL;
  const sampler = setInterval(() => {
    const now = performance.now();
    histogram.observe(Math.max(0, now - due) / 1000);
    due = now + INTERVAL;
    if (++unread < MOST_UNREAD) return;
    clearInterval(sampler);
    timer = undefined;
  }, INTERVAL);
  return sampler.unref();
}

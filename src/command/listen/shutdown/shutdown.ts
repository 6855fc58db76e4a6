import { deferred } from '../../../helpers/deferred.js';
import { within } from '../../../helpers/within.js';
import { LONGEST_DRAIN, type DrainTimes } from '../../drain.js';
import type { Servers } from '../server/servers.js';
import type { Sites } from '../site/sites.js';
import { lateLine } from './drain-lines.js';

/**
 * Seconds for spawned programs and other cleanup, after the tunnels have ended. With the default drain time, the sum is below ten
 * seconds, after which Docker kills a container.
 */
export const CLEANUP_TIME = 1;

/** The tunnels are counted this long before they are cut, in seconds. */
const COUNT_TIME = 0.02;
/** Milliseconds between two looks whether a tunnel is left. */
const LOOK_PERIOD = 250;

interface ShutdownParts {
  readonly times: DrainTimes;
  readonly sites: Pick<Sites, 'close' | 'totals'>;
  readonly servers: Pick<Servers, 'stop'> | undefined;
  readonly message: (line: string) => void;
}

/**
 * The end of one serving process. `grace`, `spread` and `drain` are for the tunnels, `linger` is for the ports; the process ends when
 * both are done.
 */
export class Shutdown {
  readonly #parts: ShutdownParts;
  readonly #hurried = deferred();
  readonly #portsClosed = deferred();

  constructor(parts: ShutdownParts) {
    this.#parts = parts;
  }

  /** Resolves when the tunnels have ended and the ports are closed. */
  async run(): Promise<void> {
    const { sites, times } = this.#parts;
    const { grace, spread, drain } = times;
    // First, so that no client that gets a Close finds an open port.
    const ports = this.#closePorts();
    // The deadline of `drain` is kept here, where the cut tunnels are counted: the timeout of the sites must be later.
    const closed = sites.close({ grace, spread, timeout: laterThan(spread + drain) });
    // Programs may need time after the last tunnel.
    const empty = this.#untilEmpty();
    try {
      const gone = Promise.race([closed, empty.done]);
      await within(grace + spread, Promise.race([gone, this.#hurried.promise]));
      const end = performance.now() + drain * 1000;
      await this.#cutAfter(drain, gone);
      // Programs that need more time are killed with this process.
      await within(secondsTo(end) + CLEANUP_TIME, closed);
      const { closedAt, stopped } = await ports;
      // A file download gets as much time as the tunnels.
      await within(secondsTo(Math.max(end, closedAt + drain * 1000)), stopped);
    } finally {
      empty.stop();
    }
  }

  /** Skips the rest of `grace`, `spread` and `linger`. */
  hurry(): void {
    this.closePorts();
    this.#hurried.resolve();
    // The deadline of `drain` begins with this call: see `run`.
    const { drain } = this.#parts.times;
    this.#parts.sites.close({ timeout: laterThan(drain) }).catch(() => undefined);
  }

  /** Ends `linger`. */
  closePorts(): void {
    this.#portsClosed.resolve();
  }

  /** Resolves when `linger` is over, to the promise of the last answer. */
  async #closePorts(): Promise<{ closedAt: number; stopped: Promise<void> }> {
    const { times, servers } = this.#parts;
    if (times.linger > 0) await within(times.linger, this.#portsClosed.promise);
    const stopped = servers?.stop() ?? Promise.resolve();
    stopped.catch(() => undefined);
    return { closedAt: performance.now(), stopped };
  }

  async #cutAfter(drain: number, gone: Promise<unknown>): Promise<void> {
    const { sites, times, message } = this.#parts;
    const last = Math.min(drain, CLEANUP_TIME);
    const report = () => {
      const { open } = sites.totals();
      if (open > 0) message(lateLine(open, times));
    };
    if (await within(drain - last, gone)) return;
    if (last <= COUNT_TIME) report();
    // Not at the deadline: programs get as much time as this call gives the tunnels.
    sites.close({ timeout: last }).catch(() => undefined);
    if (last > COUNT_TIME && !(await within(last - COUNT_TIME, gone))) report();
  }

  #untilEmpty(): { done: Promise<void>; stop: () => void } {
    const { promise: done, resolve } = deferred();
    const timer = setInterval(() => {
      if (this.#parts.sites.totals().open === 0) resolve();
    }, LOOK_PERIOD);
    return { done, stop: () => clearInterval(timer) };
  }
}

/** A timeout of `close()` after this time. */
function laterThan(seconds: number): number {
  return Math.min(LONGEST_DRAIN, seconds + CLEANUP_TIME);
}

function secondsTo(end: number): number {
  return Math.max(0, (end - performance.now()) / 1000);
}

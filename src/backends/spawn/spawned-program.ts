import type { Duplex } from 'node:stream';
import { TunnelError } from '../../errors.js';
import { orAborted } from '../../helpers/abort.js';
import type { Lease } from '../../helpers/lease.js';
import { KILL_AFTER, SpawnedProcess, type SpawningHost, type ProcessContext } from './spawned-process.js';

/** Seconds until a program that failed is started again: the first time, and at most. Doubled each time. */
const FIRST_WAIT = 1;
const LONGEST_WAIT = 60;

/** Processes that are asked for one tunnel: those that were well may have ended a moment ago. */
const ATTEMPTS = 3;

/** A connection to a process, and its place in the load. */
export interface ProcessConnection {
  readonly socket: Duplex;
  readonly lease: Lease;
}

/** What a program needs of those who keep it. */
export interface ProgramOwner {
  surroundings(): Pick<ProcessContext, 'socket' | 'failure' | 'mark' | 'log'>;
  /** Nothing is left of a process that got such. */
  ended(): void;
  /** A process failed while no tunnel waited for it. */
  failed(host: SpawningHost, why: string): void;
  /** It has no process and nothing to remember. */
  unused(program: SpawnedProgram): void;
}

/** All processes of one host (lighttpd: a host with `bin-path`). */
export class SpawnedProgram {
  readonly host: SpawningHost;
  readonly #owner: ProgramOwner;
  /** Those that are ending as well: their numbers, and so their addresses, are not free yet. */
  readonly #processes = new Set<SpawnedProcess>();
  #dials = 0;
  #failures = 0;
  #retryAt = 0;
  /** Until then `minProcs` starts none; a tunnel may. */
  #minimumAt = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** No options name it any more: it is kept for the tunnels that are open, and for nobody else. */
  #isRetired = false;

  constructor(host: SpawningHost, keeper: ProgramOwner) {
    this.host = host;
    this.#owner = keeper;
  }

  /** Reaches the process with the least load, or a new one where all have as much as they may have. */
  async dial(
    host: SpawningHost,
    signal: AbortSignal,
    preface: Buffer | undefined,
  ): Promise<ProcessConnection> {
    this.#dials++;
    try {
      for (let left = ATTEMPTS; ; left--) {
        const { process, lease } = await this.#choose(signal);
        const { isReady } = process;
        try {
          return { socket: await process.dial(host, signal, preface), lease };
        } catch (error) {
          lease.release();
          const isRefused = error instanceof TunnelError && error.code === 'WSTUNNEL_BACKEND_REFUSED';
          if (!isReady || !isRefused || signal.aborted || left <= 1) throw error;
          // It has listened for one connection only, and is about to end.
          if (process.load === 0) process.end(KILL_AFTER);
        }
      }
    } finally {
      this.#dials--;
      this.keepRunning();
    }
  }

  /** Options name it, again. */
  enlist(): void {
    this.#isRetired = false;
  }

  /** No options name it any more: ends each process as soon as it is idle; waits for those that are idle now. */
  async retire(grace: number): Promise<void> {
    this.#isRetired = true;
    const idle = this.#usable().filter(({ load }) => load === 0);
    for (const process of idle) process.end(grace);
    await Promise.all(idle.map(({ ended }) => ended));
  }

  /** Starts what `minProcs` asks for. */
  keepRunning(): void {
    const { maxProcs } = this.host.spawn;
    const minProcs = this.#minProcs;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isClosed) return;
    const now = performance.now();
    const wait = this.#retryAt - now;
    while (this.#usable().length < minProcs && this.#processes.size < maxProcs) {
      const pause = Math.max(wait, this.#minimumAt - now);
      if (pause > 0) {
        this.#timer = setTimeout(() => this.keepRunning(), pause).unref();
        return;
      }
      this.#start();
    }
    if (this.#processes.size > 0 || this.#dials > 0) return;
    // A failure is remembered for longer: the next one in a row doubles the wait.
    const rest = this.#failures === 0 ? 0 : wait + LONGEST_WAIT * 1000;
    if (rest > 0) this.#timer = setTimeout(() => this.keepRunning(), rest).unref();
    else this.#owner.unused(this);
  }

  /** Ends all of them; waits until nothing of them is left. */
  async close(grace: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const process of this.#processes) process.end(grace);
    await Promise.all(Array.from(this.#processes, ({ ended }) => ended));
  }

  get #minProcs(): number {
    return this.#isRetired ? 0 : this.host.spawn.minProcs;
  }

  #usable(): SpawnedProcess[] {
    return [...this.#processes].filter(({ isEnding: isOver }) => !isOver);
  }

  async #choose(signal: AbortSignal): Promise<{ process: SpawnedProcess; lease: Lease }> {
    const { maxProcs, maxLoadPerProc } = this.host.spawn;
    for (;;) {
      if (this.#isClosed) throw new TunnelError('WSTUNNEL_DRAINING', 'the server is closing');
      const usable = this.#usable();
      const room = usable.filter(({ load }) => maxLoadPerProc === 0 || load < maxLoadPerProc);
      const process =
        room.sort((a, b) => a.load - b.load)[0] ??
        (this.#processes.size < maxProcs ? this.#startForTunnel() : undefined);
      if (process) return { process, lease: process.lease() };
      const ending = [...this.#processes].filter(({ isEnding: isOver }) => isOver);
      // lighttpd would take the least loaded one: here two users would meet in it.
      if (ending.length === 0)
        throw new TunnelError('WSTUNNEL_FULL', 'every backend has as many tunnels as it may have');
      await orAborted(signal, () => Promise.race(ending.map(({ ended }) => ended)));
    }
  }

  #startForTunnel(): SpawnedProcess {
    const wait = this.#retryAt - performance.now();
    if (wait <= 0) return this.#start();
    const cause = new Error(`the program failed and is started again in ${Math.ceil(wait / 1000)} s`);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause });
  }

  #start(): SpawnedProcess {
    const taken = new Set(Array.from(this.#processes, ({ number }) => number));
    let number = 0;
    while (taken.has(number)) number++;
    const process = new SpawnedProcess(this.host, {
      ...this.#owner.surroundings(),
      number,
      onIdle: (one) => this.#armIdle(one),
      onEnding: (one, failure) => this.#noteEnding(one, failure),
    });
    this.#processes.add(process);
    this.#armIdle(process);
    void process.ended.then(() => this.#remove(process));
    return process;
  }

  #noteEnding(process: SpawnedProcess, failure: string | undefined): void {
    const now = performance.now();
    if (failure === undefined) {
      this.#failures = 0;
      // One that `minProcs` starts again and again must not take a processor for itself.
      if (this.#minProcs > 0) this.#minimumAt = now + FIRST_WAIT * 1000;
    } else if (now >= this.#retryAt) {
      // Several that failed together are one failure.
      const wait = Math.min(FIRST_WAIT * 2 ** this.#failures++, LONGEST_WAIT);
      this.#retryAt = now + wait * 1000;
      if (!process.wasUsed && !this.#isClosed) this.#owner.failed(this.host, failure);
    }
  }

  #remove(process: SpawnedProcess): void {
    this.#processes.delete(process);
    this.#owner.ended();
    this.keepRunning();
  }

  #armIdle(process: SpawnedProcess): void {
    const minProcs = this.#minProcs;
    const idleTimeout = this.#isRetired ? 0 : this.host.spawn.idleTimeout;
    clearTimeout(process.idleTimer);
    const isSpare = () => process.load === 0 && !process.isEnding && this.#usable().length > minProcs;
    // With 0 it ends before anybody else can get it; but the first tunnel is still to come.
    if (idleTimeout === 0 && process.wasUsed && isSpare()) {
      process.end(KILL_AFTER);
      return;
    }
    const look = () => {
      if (isSpare()) process.end(KILL_AFTER);
      else this.#armIdle(process);
    };
    process.idleTimer = setTimeout(look, (idleTimeout || 1) * 1000).unref();
  }
}

import type { Duplex } from 'node:stream';
import { TunnelError } from '../../errors.js';
import { orAborted, type AbortState } from '../../helpers/abort.js';
import type { Lease } from '../../helpers/lease.js';
import { RestartDelay } from './restart-delay.js';
import {
  KILL_AFTER,
  SpawnedProcess,
  type ProcessContext,
  type ProgramState,
  type SpawningHost,
} from './spawned-process.js';

/** Limit of processes tried for one tunnel: a process that was ready may have just ended. */
const MAX_ATTEMPTS = 3;

/** A connection to a process, and the lease that counts the connection as load. */
export interface ProcessConnection {
  readonly socket: Duplex;
  readonly lease: Lease;
}

/** The parts of the spawner that a program needs. */
interface ProgramOwner {
  processContext(): Pick<ProcessContext, 'socket' | 'failure' | 'mark' | 'log'>;
  /** Called when no part of a process is left, once for each call of `processContext`. */
  processEnded(): void;
  /** Called when a process failed while no tunnel was waiting for that process. */
  failed(host: SpawningHost, why: string): void;
  /** Called when the program has no process and no failure to remember. */
  unused(program: SpawnedProgram): void;
}

/** All processes of one host (lighttpd: a host with `bin-path`). */
export class SpawnedProgram {
  readonly host: SpawningHost;
  readonly #owner: ProgramOwner;
  /** All processes, including ending processes: their numbers, and so their addresses, are still in use. */
  readonly #processes = new Set<SpawnedProcess>();
  readonly #restartDelay = new RestartDelay();
  #dials = 0;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;
  /** No options name the program any longer: the program runs only for open tunnels. */
  #isRetired = false;

  constructor(host: SpawningHost, owner: ProgramOwner) {
    this.host = host;
    this.#owner = owner;
  }

  /** Connects to the process with the least load, or to a new process if all processes are at the load limit. */
  async dial(
    host: SpawningHost,
    signal: AbortState,
    preface: Buffer | undefined,
  ): Promise<ProcessConnection> {
    this.#dials++;
    try {
      for (let left = MAX_ATTEMPTS; ; left--) {
        const { process, lease } = await this.#choose(signal);
        const { isReady } = process;
        try {
          return { socket: await process.dial(host, signal, preface), lease };
        } catch (error) {
          lease.release();
          const isRefused = error instanceof TunnelError && error.code === 'WSTUNNEL_BACKEND_REFUSED';
          if (!isReady || !isRefused || signal.aborted || left <= 1) throw error;
          // The program listened for a single connection, and is about to end.
          if (process.load === 0) process.end(KILL_AFTER);
        }
      }
    } finally {
      this.#dials--;
      this.keepRunning();
    }
  }

  /** Options name the program again. */
  enlist(): void {
    this.#isRetired = false;
  }

  /** No options name the program any longer: each process ends once idle. Waits for the processes that are idle now. */
  async retire(grace: number): Promise<void> {
    this.#isRetired = true;
    const idle = this.#usable().filter(({ load }) => load === 0);
    for (const process of idle) process.end(grace);
    await Promise.all(idle.map(({ ended }) => ended));
  }

  /** Starts processes until there are `minProcs`. */
  keepRunning(): void {
    const { maxProcs } = this.host.spawn;
    const minProcs = this.#minProcs;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#isClosed) return;
    const now = performance.now();
    while (this.#usable().length < minProcs && this.#processes.size < maxProcs) {
      const pause = this.#restartDelay.untilMinimum(now);
      if (pause > 0) {
        this.#callAgainAfter(pause);
        return;
      }
      this.#start();
    }
    if (this.#processes.size > 0 || this.#dials > 0) return;
    const memory = this.#restartDelay.memory(now);
    if (memory > 0) this.#callAgainAfter(memory);
    else this.#owner.unused(this);
  }

  #callAgainAfter(milliseconds: number): void {
    this.#timer = setTimeout(() => this.keepRunning(), milliseconds).unref();
  }

  /** Ends all processes, and waits until no part of a process is left. */
  async close(grace: number): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    for (const process of this.#processes) process.end(grace);
    await Promise.all(Array.from(this.#processes, ({ ended }) => ended));
  }

  get #minProcs(): number {
    return this.#isRetired ? 0 : this.host.spawn.minProcs;
  }

  /** Adds the processes to the sums. */
  count(sums: Record<ProgramState, number>): void {
    for (const process of this.#processes) sums[process.state]++;
  }

  /** All processes, also those that are ending. */
  processes(): Iterable<SpawnedProcess> {
    return this.#processes;
  }

  #usable(): SpawnedProcess[] {
    return [...this.#processes].filter(({ isEnding }) => !isEnding);
  }

  async #choose(signal: AbortState): Promise<{ process: SpawnedProcess; lease: Lease }> {
    const { maxProcs, maxLoadPerProc } = this.host.spawn;
    for (;;) {
      if (this.#isClosed) throw new TunnelError('WSTUNNEL_DRAINING', 'the server is closing');
      const free = this.#usable().filter(({ load }) => maxLoadPerProc === 0 || load < maxLoadPerProc);
      const process =
        free.sort((a, b) => a.load - b.load)[0] ??
        (this.#processes.size < maxProcs ? this.#startForTunnel() : undefined);
      if (process) return { process, lease: process.lease() };
      const ending = [...this.#processes].filter(({ isEnding }) => isEnding);
      // lighttpd would choose the least loaded process, and two users would share that process.
      if (ending.length === 0)
        throw new TunnelError('WSTUNNEL_FULL', 'all backends are at their tunnel limit');
      await orAborted(signal, () => Promise.race(ending.map(({ ended }) => ended)));
    }
  }

  #startForTunnel(): SpawnedProcess {
    const delay = this.#restartDelay.untilRetry(performance.now());
    if (delay <= 0) return this.#start();
    const cause = new Error(`the program failed and will be started again in ${Math.ceil(delay / 1000)} s`);
    throw new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause });
  }

  #start(): SpawnedProcess {
    const used = new Set(Array.from(this.#processes, ({ number }) => number));
    let number = 0;
    while (used.has(number)) number++;
    const process = new SpawnedProcess(this.host, {
      ...this.#owner.processContext(),
      number,
      onIdle: (one) => this.#armIdleTimer(one),
      onEnding: (one, failure) => this.#noteEnding(one, failure),
    });
    this.#processes.add(process);
    this.#armIdleTimer(process);
    void process.ended.then(() => this.#remove(process));
    return process;
  }

  #noteEnding(process: SpawnedProcess, failure: string | undefined): void {
    const now = performance.now();
    if (failure === undefined) this.#restartDelay.ended(now, this.#minProcs > 0);
    else if (this.#restartDelay.failed(now) && !process.wasUsed && !this.#isClosed)
      this.#owner.failed(this.host, failure);
  }

  #remove(process: SpawnedProcess): void {
    this.#processes.delete(process);
    this.#owner.processEnded();
    this.keepRunning();
  }

  #armIdleTimer(process: SpawnedProcess): void {
    const minProcs = this.#minProcs;
    const idleTimeout = this.#isRetired ? 0 : this.host.spawn.idleTimeout;
    clearTimeout(process.idleTimer);
    const isSpare = () => process.load === 0 && !process.isEnding && this.#usable().length > minProcs;
    // With `idleTimeout: 0` the process ends before another tunnel can use it, but not before its first tunnel.
    if (idleTimeout === 0 && process.wasUsed && isSpare()) {
      process.end(KILL_AFTER);
      return;
    }
    const onTimeout = () => {
      if (isSpare()) process.end(KILL_AFTER);
      else this.#armIdleTimer(process);
    };
    process.idleTimer = setTimeout(onTimeout, (idleTimeout || 1) * 1000).unref();
  }
}

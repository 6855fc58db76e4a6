import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { messageOf, TunnelError } from '../../errors.js';
import { following, orAborted, type AbortState } from '../../helpers/abort.js';
import { leaseOf, type Lease } from '../../helpers/lease.js';
import { without } from '../../helpers/without.js';
import { exhausted, failureOf } from '../failure.js';
import type { ResolvedHost, ResolvedSpawn } from '../host.js';
import { Child } from './child.js';
import { dialUntilListening, pause } from './dial-program.js';
import { checkAddressIsFree, removeSocket, withListeningSocket } from './listening-socket.js';
import {
  processEnvironment,
  fillPlaceholders,
  processAddressOf,
  type ProcessAddress,
} from './process-address.js';

/** A host with the option `spawn`. */
export type SpawningHost = ResolvedHost & { readonly spawn: ResolvedSpawn };

/**
 * Seconds that a program must live before a connection is made to a handed-over socket: the kernel accepts connections on such a
 * socket from the start, even if the program ends at once.
 */
const SETTLE_TIME = 0.2;

/** Seconds. A program that ends sooner, with a code other than 0, counts as failed. */
const MIN_LIFETIME = 1;

/** Seconds between the kill signal and SIGKILL. */
export const KILL_AFTER = 5;

/** `starting`: no tunnel has reached the process yet. */
export type ProgramState = 'starting' | 'running' | 'ending';

/** The parts of a program that a process needs. */
export interface ProcessContext {
  /** The number of the process among all processes of the host. */
  readonly number: number;
  /** Path of a socket in a private folder, for a host without an address. */
  readonly socket: string;
  /** The error if there is no private folder: then no process can be started. */
  readonly failure: unknown;
  readonly mark: string;
  readonly log: (format: string, ...values: unknown[]) => void;
  /** Called when the last tunnel of the process has ended. */
  readonly onIdle: (process: SpawnedProcess) => void;
  /**
   * Called when the process stops accepting tunnels, with the reason in `failure` if the process failed. Parts of the process may
   * still run.
   */
  readonly onEnding: (process: SpawnedProcess, failure: string | undefined) => void;
}

/** One process of a host: starting -> ready -> ending -> ended. */
export class SpawnedProcess {
  readonly number: number;
  /** Settles when no part of the process is left. Never rejects. */
  readonly ended: Promise<void>;
  load = 0;
  /** Has a tunnel used the process, or tried to? */
  wasUsed = false;
  idleTimer: NodeJS.Timeout | undefined;
  readonly #host: SpawningHost;
  readonly #context: ProcessContext;
  readonly #address: ProcessAddress;
  /** Aborted, with the reason, when the process accepts no more tunnels. */
  readonly #ending = new AbortController();
  #startedAt = performance.now();
  readonly #child: Promise<Child>;
  #isReady = false;
  #pid: number | undefined;

  constructor(host: SpawningHost, context: ProcessContext) {
    this.#host = host;
    this.#context = context;
    this.number = context.number;
    // Each tunnel that is being opened adds a listener.
    setMaxListeners(0, this.#ending.signal);
    this.#address = processAddressOf(host, context.number, context.socket);
    this.#child = this.#start();
    this.ended = this.#watch();
  }

  /** Does the process accept no more tunnels? */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** Has the process accepted a connection? */
  get isReady(): boolean {
    return this.#isReady;
  }

  get state(): ProgramState {
    if (this.isEnding) return 'ending';
    return this.#isReady ? 'running' : 'starting';
  }

  /** Undefined before the program has started. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Counts a tunnel until `release`. */
  lease(): Lease {
    this.load++;
    this.wasUsed = true;
    clearTimeout(this.idleTimer);
    return leaseOf(() => {
      if (--this.load === 0 && !this.isEnding) this.#context.onIdle(this);
    });
  }

  /**
   * Connects with the settings of `host`, which may differ from the settings at the start of the program. A program that does not
   * listen yet gets `connectTimeout` from the time of this call.
   */
  async dial(host: SpawningHost, signal: AbortState, preface: Buffer | undefined): Promise<Duplex> {
    const { connectTimeout } = host;
    const { controller: stop, free } = following(signal, this.#ending.signal);
    const onTimeout = () => {
      const why = `the program did not listen within ${connectTimeout} s`;
      stop.abort(
        new TunnelError('WSTUNNEL_BACKEND_TIMEOUT', 'the backend did not answer in time', {
          cause: new Error(why),
        }),
      );
      // Another tunnel may have reached the program meanwhile.
      if (!this.#isReady) this.#end(KILL_AFTER, why, why);
    };
    const timer = setTimeout(onTimeout, connectTimeout * 1000);
    try {
      const target = Object.freeze({ ...without(host, 'spawn', 'host', 'port', 'socket'), ...this.#address });
      const socket = await this.#reach(target, stop.signal, preface);
      this.#isReady = true;
      return socket;
    } finally {
      clearTimeout(timer);
      free();
    }
  }

  /** Ends the process and the process's forks. Processes that are left after `grace` seconds are killed. */
  end(grace: number): void {
    this.#end(grace, 'the program is being ended', undefined);
  }

  #end(grace: number, why: string, failure: string | undefined): void {
    this.#refuseTunnels(why, failure);
    this.#child.then(
      (child) => child.end(grace),
      () => undefined,
    );
  }

  /**
   * From now on the process refuses tunnels. The program is notified before the waiting tunnels, so that the failure is already
   * recorded when a tunnel tries again.
   */
  #refuseTunnels(why: string, failure: string | undefined, isOurs = false): void {
    if (this.isEnding) return;
    clearTimeout(this.idleTimer);
    this.#context.onEnding(this, failure);
    const cause = new Error(why);
    this.#ending.abort(
      isOurs
        ? exhausted(cause)
        : new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause }),
    );
  }

  /** The start failed. The program is not at fault if this machine lacks a process, a descriptor or space. */
  #failToStart(error: unknown, how: string): void {
    const why = `the program ${how}`;
    const isOurs = failureOf(error) === 'ours';
    this.#refuseTunnels(why, isOurs ? undefined : why, isOurs);
  }

  async #reach(target: ResolvedHost, stop: AbortSignal, preface: Buffer | undefined): Promise<Duplex> {
    // Before the program is started, another process could listen at the program's address.
    await orAborted(stop, () => this.#child);
    const settling = this.#startedAt + SETTLE_TIME * 1000 - performance.now();
    if (this.#host.spawn.handOver && settling > 0) await pause(settling, stop);
    return dialUntilListening(target, stop, preface, () => this.#isReady);
  }

  async #start(): Promise<Child> {
    const { spawn } = this.#host;
    const { log, mark, socket: privateSocket, failure } = this.#context;
    // The error of the file system, unchanged.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (failure !== undefined) throw failure;
    const address = this.#address;
    const launch = (stdin: number | 'ignore') => {
      if (this.isEnding) throw new Error('the process was ended before the start');
      const { args, environment: own } = fillPlaceholders(spawn, address);
      const environment = processEnvironment(spawn.copyEnvironment, own, address);
      const { path, killSignal } = spawn;
      const settings = { path, args, environment, stdin, killSignal, mark };
      const child = new Child({ ...settings, socket: address.socket, privateSocket }, (line) =>
        log('%s[%d] says: %s', this.#host.id, child.pid, line),
      );
      this.#startedAt = performance.now();
      this.#pid = child.pid;
      log('%s[%d] started as number %d', this.#host.id, child.pid, this.number);
      return child;
    };
    if (spawn.handOver) return withListeningSocket(address, spawn.listenBacklog, launch);
    await checkAddressIsFree(address);
    return launch('ignore');
  }

  async #watch(): Promise<void> {
    const { log, socket } = this.#context;
    try {
      const child = await this.#child;
      const how = await child.exited;
      const isEarly = performance.now() - this.#startedAt < MIN_LIFETIME * 1000;
      const isBroken = !this.#isReady || (isEarly && how !== 'ended with code 0');
      const why = `the program ${how}`;
      log('%s[%d] %s', this.#host.id, child.pid, how);
      if (child.startError) this.#failToStart(child.startError, how);
      else this.#refuseTunnels(why, isBroken ? why : undefined);
      await child.gone;
    } catch (error) {
      this.#failToStart(error, `was not started: ${messageOf(error)}`);
      // A socket outside of the private folder belongs to another process.
      if (socket !== '') removeSocket(socket);
    }
  }
}

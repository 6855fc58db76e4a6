import { setMaxListeners } from 'node:events';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { messageOf, TunnelError } from '../../errors.js';
import { following, orAborted } from '../../helpers/abort.js';
import { leaseOf, type Lease } from '../../helpers/lease.js';
import { without } from '../../helpers/without.js';
import { dial } from '../dial.js';
import { exhausted, failureOf } from '../failure.js';
import type { ResolvedHost, ResolvedSpawn } from '../host.js';
import { Child } from './child.js';
import {
  checkAddressIsFree,
  fillPlaceholders,
  processAddressOf,
  removeSocket,
  withListeningSocket,
  type ProcessAddress,
} from './process-address.js';

/** A host with a program behind it. */
export type SpawningHost = ResolvedHost & { readonly spawn: ResolvedSpawn };

/**
 * Seconds that a program must live before it is trusted with a socket that was handed over: the kernel takes connections
 * for it from the start, also where it ends at once.
 */
const SETTLE = 0.2;

/** A program that ends sooner and not in order is broken rather than finished. */
const QUICK = 1;

/** Milliseconds between attempts to reach a program that does not listen yet: the first, and the longest. */
const FIRST_PAUSE = 10;
const LONGEST_PAUSE = 200;

/** Seconds between the kill signal and SIGKILL. */
export const KILL_AFTER = 5;

/** What a process needs of those who keep it. */
export interface ProcessContext {
  /** Its number among the processes of its host. */
  readonly number: number;
  /** The private socket it may use, in a private folder. */
  readonly socket: string;
  /** Why there is no such folder: nothing can be started. */
  readonly failure: unknown;
  readonly mark: string;
  readonly log: (format: string, ...values: unknown[]) => void;
  /** It has no tunnel any more. */
  readonly onIdle: (process: SpawnedProcess) => void;
  /** It is of no use any more, and why, where that is a failure. Something of it may still be there. */
  readonly onEnding: (process: SpawnedProcess, failure: string | undefined) => void;
}

/** One process of a host, from its start to its end. */
export class SpawnedProcess {
  readonly number: number;
  /** Settles when nothing of it is left; never rejects. */
  readonly ended: Promise<void>;
  load = 0;
  /** It has had a tunnel, or one was on its way. */
  wasUsed = false;
  idleTimer: NodeJS.Timeout | undefined;
  readonly #host: SpawningHost;
  readonly #context: ProcessContext;
  readonly #place: ProcessAddress;
  /** Aborted when it is of no use any more, with the reason. */
  readonly #ending = new AbortController();
  #startedAt = performance.now();
  readonly #child: Promise<Child>;
  #isReady = false;

  constructor(host: SpawningHost, around: ProcessContext) {
    this.#host = host;
    this.#context = around;
    this.number = around.number;
    // Each tunnel on its way listens.
    setMaxListeners(0, this.#ending.signal);
    this.#place = processAddressOf(host, around.number, around.socket);
    this.#child = this.#start();
    this.ended = this.#watch();
  }

  /** It takes no more tunnels. */
  get isEnding(): boolean {
    return this.#ending.signal.aborted;
  }

  /** It has been reached. */
  get isReady(): boolean {
    return this.#isReady;
  }

  /** Counts a tunnel from now on. */
  lease(): Lease {
    this.load++;
    this.wasUsed = true;
    clearTimeout(this.idleTimer);
    return leaseOf(() => {
      if (--this.load === 0 && !this.isEnding) this.#context.onIdle(this);
    });
  }

  /**
   * Connects by the settings of `host`, which need not be those that the program was started for; one that does not listen
   * yet is given `connectTimeout`, from now on.
   */
  async dial(host: SpawningHost, signal: AbortSignal, preface: Buffer | undefined): Promise<Duplex> {
    const { connectTimeout } = host;
    const { controller: stop, free } = following(signal, this.#ending.signal);
    const onLate = () => {
      const why = `the program did not listen within ${connectTimeout} s`;
      stop.abort(
        new TunnelError('WSTUNNEL_BACKEND_TIMEOUT', 'the backend did not answer in time', {
          cause: new Error(why),
        }),
      );
      // Others may have reached it meanwhile.
      if (!this.#isReady) this.#end(KILL_AFTER, why, why);
    };
    const timer = setTimeout(onLate, connectTimeout * 1000);
    try {
      const target = Object.freeze({ ...without(host, 'spawn', 'host', 'port', 'socket'), ...this.#place });
      const socket = await this.#reach(target, stop.signal, preface);
      this.#isReady = true;
      return socket;
    } finally {
      clearTimeout(timer);
      free();
    }
  }

  /** Ends it, and what it has forked; what is left after `grace` seconds is killed. */
  end(grace: number): void {
    this.#end(grace, 'the program is being ended', undefined);
  }

  #end(grace: number, why: string, failure: string | undefined): void {
    this.#beginEnd(why, failure);
    this.#child.then(
      (child) => child.end(grace),
      () => undefined,
    );
  }

  /** Before those who wait hear of it, so that who asks again finds it remembered. */
  #beginEnd(why: string, failure: string | undefined, isOurLack = false): void {
    if (this.isEnding) return;
    clearTimeout(this.idleTimer);
    this.#context.onEnding(this, failure);
    const cause = new Error(why);
    this.#ending.abort(
      isOurLack
        ? exhausted(cause)
        : new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend could not be reached', { cause }),
    );
  }

  /** The program is not to blame for what this machine lacks: no process, descriptor or space is left. */
  #failToStart(error: unknown, how: string): void {
    const why = `the program ${how}`;
    const isOurs = failureOf(error) === 'ours';
    this.#beginEnd(why, isOurs ? undefined : why, isOurs);
  }

  async #reach(target: ResolvedHost, stop: AbortSignal, preface: Buffer | undefined): Promise<Duplex> {
    // Before, somebody else's socket might be there.
    await orAborted(stop, () => this.#child);
    const settled = this.#startedAt + SETTLE * 1000 - performance.now();
    if (this.#host.spawn.handOver && settled > 0) await pause(settled, stop);
    for (let wait = FIRST_PAUSE; ; wait = Math.min(wait * 2, LONGEST_PAUSE)) {
      const wasReady = this.#isReady;
      try {
        return await dial(target, stop, preface);
      } catch (error) {
        if (stop.aborted) throw stop.reason;
        if (wasReady || (error as TunnelError).code !== 'WSTUNNEL_BACKEND_REFUSED') throw error;
      }
      await pause(wait, stop);
    }
  }

  async #start(): Promise<Child> {
    const { spawn } = this.#host;
    const { log, mark, socket: privateSocket, failure } = this.#context;
    // What the file system threw, as it is.
    // eslint-disable-next-line @typescript-eslint/only-throw-error
    if (failure !== undefined) throw failure;
    const place = this.#place;
    const launch = (stdin: number | 'ignore') => {
      if (this.isEnding) throw new Error('it was ended before it was started');
      const { args, environment: own } = fillPlaceholders(spawn, place);
      const environment = environmentOf(spawn.copyEnvironment, own, place);
      const { path, killSignal } = spawn;
      const given = {
        path,
        args,
        environment,
        stdin,
        killSignal,
        mark,
        socket: place.socket,
        own: privateSocket,
      };
      const child = new Child(given, (line) => log('%s[%d] says: %s', this.#host.id, child.pid, line));
      this.#startedAt = performance.now();
      log('%s[%d] started as number %d', this.#host.id, child.pid, this.number);
      return child;
    };
    if (spawn.handOver) return withListeningSocket(place, spawn.listenBacklog, launch);
    await checkAddressIsFree(place);
    return launch('ignore');
  }

  async #watch(): Promise<void> {
    const { log, socket } = this.#context;
    try {
      const child = await this.#child;
      const how = await child.exited;
      const isQuick = performance.now() - this.#startedAt < QUICK * 1000;
      const isBroken = !this.#isReady || (isQuick && how !== 'ended with code 0');
      const why = `the program ${how}`;
      log('%s[%d] %s', this.#host.id, child.pid, how);
      if (child.startError) this.#failToStart(child.startError, how);
      else this.#beginEnd(why, isBroken ? why : undefined);
      await child.gone;
    } catch (error) {
      this.#failToStart(error, `was not started: ${messageOf(error)}`);
      // Another socket than the private one is somebody else's.
      if (socket !== '') removeSocket(socket);
    }
  }
}

/** Nothing of the app's environment but what was asked for: its secrets are there. */
function environmentOf(
  copied: readonly string[],
  own: Readonly<Record<string, string>>,
  place: ProcessAddress,
): Record<string, string> {
  const all: Record<string, string> = {};
  for (const name of copied) {
    const value = process.env[name];
    if (value !== undefined) all[name] = value;
  }
  Object.assign(all, own);
  for (const [name, value] of Object.entries(place) as [string, string | number][])
    all[`WSTUNNEL_${name.toUpperCase()}`] = String(value);
  return all;
}

async function pause(milliseconds: number, stop: AbortSignal): Promise<void> {
  try {
    await sleep(milliseconds, undefined, { signal: stop });
  } catch {
    throw stop.reason;
  }
}

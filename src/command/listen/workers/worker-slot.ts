import { fork, type ChildProcess } from 'node:child_process';
import { join } from 'node:path';
import { sendListenHandle, type ListenHandle } from '../../../internals/listen-handles.js';
import { deferred, type Deferred } from '../../../helpers/deferred.js';
import { within } from '../../../helpers/within.js';
import type { DrainTimes } from '../../drain.js';
import { CommandError, EXIT, messagesOf } from '../../exit.js';
import type { TunnelTotals } from '../../output/status-line.js';
import type { Addresses } from '../startup/announcements.js';
import { ReplacementDelay } from './replacement-delay.js';
import { isStoreMessage } from './worker-store.js';
import type { EndMessage, FromWorker, ToWorker, WorkerStart } from './worker-messages.js';

/** Time limits of a start and of a reload, in seconds. */
const START_DEADLINE = 60;
const RELOAD_DEADLINE = 60;
/** Seconds for a page of metrics: Prometheus waits for 10. */
const METRICS_DEADLINE = 2;

/** The program of a worker. */
export const PROGRAM = join(__dirname, 'worker-main.js');

/** `starting`: no connections yet; `ending`: no new tunnels; `down`: no process, or one that has just been killed. */
type State = 'down' | 'starting' | 'running' | 'ending';

/** Data for the start of a worker, and callbacks of the supervisor. */
export interface SlotOptions {
  readonly args: readonly string[];
  readonly start: Omit<WorkerStart, 'kind' | 'worker'>;
  /** The worker's socket for each listen address. */
  readonly sockets: readonly ListenHandle[];
  /** Shares the state of all workers with this one. Returns the function that ends this, and frees the slots of the worker. */
  readonly share: (child: ChildProcess) => () => void;
  /** A line or event of the worker. `isSettled`: the worker is neither starting nor reloading. */
  readonly report: (message: FromWorker, isSettled: boolean) => void;
  /** The worker has begun or stopped accepting connections. */
  readonly changed: () => void;
  /** A replacement accepts connections. */
  readonly restarted: (pid: number) => void;
  /** The worker has ended. Returns whether a replacement is to start after `pause` ms. */
  readonly died: (why: string, pause: number) => boolean;
}

/** One worker and its replacements. */
export class WorkerSlot {
  readonly number: number;
  readonly #options: SlotOptions;
  readonly #delay = new ReplacementDelay();
  #child: ChildProcess | undefined;
  #unshare: (() => void) | undefined;
  #isShared = false;
  #state: State = 'down';
  #readyAt: number | undefined;
  #totals: TunnelTotals = { open: 0, bytesIn: 0, bytesOut: 0 };
  /** Bytes of processes that have ended. */
  #carried = { bytesIn: 0, bytesOut: 0 };
  #starting: Deferred<Addresses> | undefined;
  #reloading: Deferred<readonly string[]> | undefined;
  #draining: Deferred<void> | undefined;
  #restart: NodeJS.Timeout | undefined;
  #exited: Deferred<void> | undefined;
  #isOver = false;
  #lastExitCode: number = EXIT.failed;
  /** Requests for a page of metrics, by id. */
  readonly #asked = new Map<number, Deferred<string>>();
  #lastId = 0;

  constructor(number: number, options: SlotOptions) {
    this.number = number;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#state === 'running';
  }

  /** Does the worker reach the state that other processes share? */
  get isShared(): boolean {
    return this.isRunning && this.#isShared;
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  /** The number of deaths soon after a start, in a row. */
  get deaths(): number {
    return this.#delay.deaths;
  }

  get lastExitCode(): number {
    return this.#lastExitCode;
  }

  get totals(): TunnelTotals {
    const { open, bytesIn, bytesOut } = this.#totals;
    return { open, bytesIn: bytesIn + this.#carried.bytesIn, bytesOut: bytesOut + this.#carried.bytesOut };
  }

  /** Starts a process; resolves to its addresses. @throws {CommandError} with the messages of the failure */
  async start(): Promise<Addresses> {
    clearTimeout(this.#restart);
    const starting = deferred<Addresses>();
    this.#starting = starting;
    this.#exited = deferred();
    this.#state = 'starting';
    this.#readyAt = undefined;
    const child = fork(PROGRAM, this.#options.args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.#child = child;
    this.#unshare = this.#options.share(child);
    child.on('message', (message) => {
      if (!isStoreMessage(message)) this.#receive(message as FromWorker);
    });
    child.once('exit', (code, signal) => this.#hasEnded(child, code, signal));
    child.on('error', (error) => {
      if (child.pid !== undefined) return;
      this.#fail(`can't start a process: ${error.message}`, EXIT.failed);
      this.#hasEnded(child, EXIT.failed, null);
    });
    for (const [index, handle] of this.#options.sockets.entries()) this.lend(this.number, index, handle);
    this.#send({ kind: 'start', worker: this.number, ...this.#options.start });
    const deadline = setTimeout(() => child.kill('SIGKILL'), START_DEADLINE * 1000);
    try {
      return await starting.promise;
    } finally {
      clearTimeout(deadline);
    }
  }

  /** Sends a socket to the worker: its own, or the socket of another worker that is down. */
  lend(owner: number, index: number, handle: ListenHandle): void {
    if (this.#child?.connected === true)
      sendListenHandle(this.#child, { kind: 'socket', owner, index }, handle);
  }

  release(owner: number): void {
    this.#send({ kind: 'release', owner });
  }

  /** Resolves to the errors of the reload. A worker that is down is started at once, with the new settings. */
  async reload(): Promise<readonly string[]> {
    // A worker that is just starting may have read the old files.
    await this.#starting?.promise.catch(() => undefined);
    if (this.#state !== 'running') {
      this.#delay.reset();
      if (this.#restart) this.#startAgain();
      return [];
    }
    const reloading = deferred<readonly string[]>();
    this.#reloading = reloading;
    this.#send({ kind: 'reload' });
    const isDone = await within(RELOAD_DEADLINE, reloading.promise);
    this.#reloading = undefined;
    return isDone ? reloading.promise : [`the worker did not reload within ${RELOAD_DEADLINE} s`];
  }

  /** Begins the end of the worker. Resolves when `totals` has the tunnels that are open then, or the process has ended. */
  async drain(times: DrainTimes): Promise<void> {
    this.#isOver = true;
    clearTimeout(this.#restart);
    // Otherwise a reload under way would start a process.
    this.#restart = undefined;
    if (this.#state === 'ending' || !this.#child) return;
    this.#draining = deferred();
    this.#send({ kind: 'drain', times });
    await this.#draining.promise;
  }

  /** The page of metrics; undefined if the worker does not answer. */
  async metrics(): Promise<string | undefined> {
    if (this.#state !== 'running' && this.#state !== 'ending') return undefined;
    const id = ++this.#lastId;
    const answer = deferred<string>();
    this.#asked.set(id, answer);
    this.#send({ kind: 'metrics', id });
    const isDone = await within(METRICS_DEADLINE, answer.promise);
    this.#asked.delete(id);
    return isDone ? answer.promise : undefined;
  }

  tell(kind: EndMessage): void {
    this.#send({ kind });
  }

  kill(): void {
    this.#isOver = true;
    clearTimeout(this.#restart);
    this.#child?.kill('SIGKILL');
  }

  /** Resolves when no process is left. */
  async ended(): Promise<void> {
    if (this.#child) await this.#exited?.promise;
  }

  #send(message: ToWorker): void {
    if (this.#child?.connected === true) this.#child.send(message, () => undefined);
  }

  #receive(message: FromWorker): void {
    if (message.kind === 'ready') {
      this.#readyAt = performance.now();
      this.#starting?.resolve(message);
      this.#starting = undefined;
      this.#become('running');
    } else if (message.kind === 'failed') this.#fail(message.lines, message.exitCode);
    else if (message.kind === 'reloaded') this.#reloading?.resolve(message.errors);
    else if (message.kind === 'ending') {
      this.#draining?.resolve();
      this.#become('ending');
    } else if (message.kind === 'shared') this.#isShared = message.isUp;
    else if (message.kind === 'metrics') this.#asked.get(message.id)?.resolve(message.page);
    else if (message.kind === 'totals') this.#totals = message.totals;
    else this.#options.report(message, this.#starting === undefined && this.#reloading === undefined);
  }

  #fail(lines: string | readonly string[], exitCode: number): void {
    const [first = '', ...more] = [lines].flat();
    this.#lastExitCode = exitCode;
    this.#starting?.reject(new CommandError(exitCode, first, { more }));
    this.#starting = undefined;
  }

  #become(state: State): void {
    this.#state = state;
    this.#options.changed();
  }

  #hasEnded(child: ChildProcess, code: number | null, signal: NodeJS.Signals | null): void {
    if (this.#child !== child) return;
    this.#child = undefined;
    this.#unshare?.();
    this.#isShared = false;
    const { bytesIn, bytesOut } = this.totals;
    this.#carried = { bytesIn, bytesOut };
    this.#totals = { open: 0, bytesIn: 0, bytesOut: 0 };
    const why = signal ?? `exit code ${code ?? 0}`;
    this.#fail(`the process ended before it was ready (${why})`, code ?? EXIT.failed);
    this.#draining?.resolve();
    this.#reloading?.resolve([`the process ended (${why})`]);
    this.#become('down');
    if (!this.#isOver) this.#scheduleRestart(why);
    this.#exited?.resolve();
  }

  #scheduleRestart(why: string): void {
    const uptime = this.#readyAt === undefined ? 0 : performance.now() - this.#readyAt;
    const pause = this.#delay.next(uptime);
    if (!this.#options.died(why, pause)) return;
    this.#restart = setTimeout(() => this.#startAgain(), pause);
  }

  #startAgain(): void {
    clearTimeout(this.#restart);
    this.#restart = undefined;
    // A failure ends the process, and `#hasEnded` starts the next one.
    const restarted = this.start().then(() => this.#options.restarted(this.pid));
    restarted.catch((error: unknown) => {
      for (const text of messagesOf(error)) this.#options.report({ kind: 'message', text }, true);
    });
  }
}

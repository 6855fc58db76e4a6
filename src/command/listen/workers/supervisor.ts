import { randomBytes } from 'node:crypto';
import { drainTimesOf } from '../../drain.js';
import { CommandError, EXIT, messagesOf } from '../../exit.js';
import type { TunnelTotals } from '../../output/status-line.js';
import type { Io, Signal } from '../../process/io.js';
import { joinPages } from '../../../observe/metrics/joined-pages.js';
import type { Health } from '../health/health-server.js';
import { StatusServers } from '../health/status-servers.js';
import { CommandOutlets } from '../log/command-outlets.js';
import type { Plan } from '../plan.js';
import { NOT_RELOADED, Reloads } from '../reloads.js';
import {
  addressLines,
  failedReload,
  reloadLines,
  settingLines,
  type Addresses,
} from '../startup/announcements.js';
import { becameUser, becomeUser, identityFor } from '../user/process-user.js';
import { Covers } from './covers.js';
import { ListenSockets } from './listen-sockets.js';
import type { FromWorker, WorkerStart } from './worker-messages.js';
import { requireReadable } from './readable-files.js';
import { WorkerSlot } from './worker-slot.js';
import { WorkersEnd } from './workers-end.js';
import { WorkerStore } from './worker-store.js';

/** Deaths in a row of each worker, with no worker left, after which the command ends. */
const MOST_DEATHS = 5;
/** Deaths in a row of each worker, with no worker left, after which the process is no longer healthy. */
const SICK_DEATHS = 2;
/** Bytes of a TLS server's ticket keys (https://nodejs.org/api/tls.html#servergetticketkeys). */
const TICKET_KEYS = 48;
const COOKIE_KEY = 32;

interface SupervisorOptions {
  /** The command line, for the workers. */
  readonly args: readonly string[];
  readonly isForAll: boolean;
}

/** The command with `--workers`: binds the sockets, starts the workers, and passes on signals. The supervisor serves no connection. */
export class Supervisor {
  readonly #io: Io;
  readonly #plan: Plan;
  readonly #readPlan: () => Plan;
  readonly #options: SupervisorOptions;
  readonly #outlets: CommandOutlets;
  readonly #end: WorkersEnd;
  readonly #reloads = new Reloads({
    reload: () => this.#reload(),
    isEnding: () => this.#end.isDraining,
    message: (line) => this.#message(line),
  });
  readonly #store = new WorkerStore();
  readonly #status = new StatusServers();
  #slots: readonly WorkerSlot[] = [];
  #sockets: ListenSockets | undefined;
  #covers: Covers | undefined;
  #listening: Plan['listen'] = [];
  /** The messages of the start or of the last reload: a message that several workers send is printed once. */
  #shown = new Set<string>();
  #isStarted = false;
  /** The same keys for all workers, so that a login and a TLS session of one worker are valid at the others. */
  readonly #workerStart: Omit<WorkerStart, 'kind' | 'worker'>;

  constructor(io: Io, plan: Plan, readPlan: () => Plan, options: SupervisorOptions) {
    this.#io = io;
    this.#plan = plan;
    this.#readPlan = readPlan;
    this.#options = options;
    this.#outlets = new CommandOutlets(io, () => this.#totals());
    this.#end = new WorkersEnd({
      times: drainTimesOf(plan),
      slots: () => this.#slots,
      closeSockets: () => this.#closeSockets(),
      message: (line) => this.#message(line),
      isOnTerminal: io.stderr.isTTY === true,
    });
    this.#workerStart = {
      isForAll: options.isForAll,
      isOnTerminal: io.stderr.isTTY === true,
      hasSyslog: plan.syslog !== undefined,
      hasLog: plan.log !== undefined,
      cookieKey: randomBytes(COOKIE_KEY).toString('base64'),
      ticketKeys: randomBytes(TICKET_KEYS).toString('base64'),
    };
  }

  /** Resolves to the exit code. @throws {CommandError} where the command can't start; no process is left running then. */
  async run(): Promise<number> {
    const stopListening = this.#io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (one) => this.#onSignal(one));
    try {
      const started = this.#start();
      this.#end.runAfter(started);
      this.#reloads.runAfter(started);
      // A signal during the start ends the workers, which then never become ready.
      await Promise.race([started, this.#end.exitCode]);
      return await this.#end.exitCode;
    } finally {
      stopListening();
      for (const slot of this.#slots) slot.kill();
      await Promise.all(this.#slots.map((slot) => slot.ended()));
      this.#closeSockets();
      await this.#outlets.close();
      this.#status.close();
    }
  }

  async #start(): Promise<void> {
    const plan = this.#plan;
    const state: Health = {
      works: () => (this.#hasWorkers(SICK_DEATHS) ? 'ok' : 'no worker'),
      accepts: () => this.#readiness(),
    };
    await this.#status.open(plan, state, () => this.#metrics());
    const identity = identityFor(plan.user, (line) => this.#message(line));
    if (!identity) await this.#outlets.open(plan);
    const { workers = 1 } = plan;
    const sockets = await ListenSockets.open(plan, workers);
    this.#sockets = sockets;
    if (identity && plan.user) {
      becomeUser(identity, plan.user.by);
      await this.#outlets.open(plan);
      this.#message(becameUser(identity, plan.user));
      requireReadable(plan, plan.user.user);
    }
    this.#slots = Array.from({ length: workers }, (_, index) => this.#slot(index + 1, sockets));
    this.#covers = new Covers(this.#slots, sockets);
    const addresses = await this.#startAll();
    this.#isStarted = true;
    if (this.#end.isDraining) return;
    this.#listening = addresses.listening;
    for (const line of addressLines(plan, addresses)) this.#message(line);
    const pids = this.#slots.map(({ pid }) => pid).join(', ');
    this.#message(
      `${workers} worker${workers === 1 ? '' : 's'} (process ${pids}), supervised by process ${process.pid}`,
    );
    for (const line of this.#status.lines) this.#message(line);
    for (const line of settingLines(plan, addresses.listening)) this.#message(line);
    this.#io.onReady?.();
    this.#outlets.beginStatus();
  }

  /** Starts one worker first, so that an error in the settings is reported once. */
  async #startAll(): Promise<Addresses> {
    const [first, ...others] = this.#slots;
    if (!first) throw new CommandError(EXIT.failed, 'no workers');
    const addresses = await first.start();
    await Promise.all(others.map((slot) => slot.start()));
    return addresses;
  }

  #slot(number: number, sockets: ListenSockets): WorkerSlot {
    return new WorkerSlot(number, {
      args: this.#options.args,
      start: this.#workerStart,
      sockets: sockets.of(number),
      share: (child) => this.#store.serve(child),
      report: (message, isSettled) => this.#report(number, message, isSettled),
      changed: () => {
        if (!this.#end.isDraining) this.#covers?.update();
        // A dead worker is not replaced now. Its sockets would still get connections while the ports are open.
        else for (const slot of this.#slots) if (slot.isDown) this.#sockets?.closeOwn(slot.number);
      },
      restarted: (pid) => this.#message(`worker ${number} serves again, as process ${pid}`),
      died: (why, pause) => this.#hasDied(number, why, pause),
    });
  }

  #report(number: number, message: FromWorker, isSettled: boolean): void {
    if (message.kind === 'message') {
      const { text } = message;
      if (isSettled) this.#message(`worker ${number}: ${text}`);
      else if (!this.#shown.has(text)) {
        this.#shown.add(text);
        this.#message(text);
      }
    } else if (message.kind === 'line')
      this.#outlets.line(`worker ${number}: ${message.text}`, message.about, message.verbosity);
    else if (message.kind === 'event')
      this.#outlets.write(message.event, { ...message.info, worker: number });
  }

  /** Returns whether the worker is to be replaced. */
  #hasDied(number: number, why: string, pause: number): boolean {
    if (!this.#isStarted || this.#end.isDraining) return false;
    const isHopeless = !this.#hasWorkers(MOST_DEATHS);
    const next = isHopeless
      ? ''
      : pause === 0
        ? '; a new one starts'
        : `; a new one starts in ${pause / 1000} s`;
    this.#message(`worker ${number} ended (${why})${next}`);
    if (!isHopeless) return true;
    this.#message('no worker stays alive: ending');
    this.#end.end(this.#slots[number - 1]?.lastExitCode || EXIT.failed);
    return false;
  }

  /** False if no worker runs, and each has died so many times in a row. */
  #hasWorkers(deathsInARow: number): boolean {
    const isEnding = !this.#isStarted || this.#end.isDraining;
    return isEnding || this.#slots.some(({ isRunning, deaths }) => isRunning || deaths < deathsInARow);
  }

  /** One worker is enough: it accepts the connections of all others. */
  #readiness(): ReturnType<Health['accepts']> {
    if (this.#end.isDraining) return 'draining';
    if (!this.#isStarted) return 'starting';
    if (!this.#slots.some(({ isRunning }) => isRunning)) return 'no worker';
    const needsShared = this.#plan.shared?.whenDown === 'refuse';
    return !needsShared || this.#slots.some(({ isShared }) => isShared) ? 'ok' : 'no shared state';
  }

  #onSignal(signal: Signal): void {
    if (signal === 'SIGHUP' && !this.#io.isTerminalGone()) this.#reloads.request();
    else this.#end.signal(signal);
  }

  /** Reloads one worker after another. If the first worker rejects the files, no worker reloads. */
  async #reload(): Promise<void> {
    const { listen, log, acceptProxy } = this.#plan;
    this.#shown.clear();
    try {
      const plan = this.#readPlan();
      await this.#outlets.reopen();
      const [first, ...others] = this.#slots.filter(({ isRunning }) => isRunning);
      const errors = (await first?.reload()) ?? [];
      if (errors.length > 0) {
        for (const line of failedReload(errors)) this.#message(line);
        return;
      }
      const rest = this.#slots.filter((slot) => slot !== first && !others.includes(slot));
      for (const slot of [...others, ...rest]) {
        // A reload would start a worker again that has ended.
        if (this.#end.isDraining) break;
        this.#reportReload(slot, await slot.reload());
      }
      const used = { ...plan, listen, acceptProxy, ...(log !== undefined && { log }) };
      if (this.#end.isDraining) this.#message(NOT_RELOADED);
      else for (const line of reloadLines(plan, this.#plan, used, this.#listening)) this.#message(line);
    } catch (error) {
      for (const line of failedReload(messagesOf(error))) this.#message(line);
    }
  }

  #reportReload({ number }: WorkerSlot, errors: readonly string[]): void {
    for (const line of errors.length > 0 ? failedReload(errors) : [])
      this.#message(`worker ${number}: ${line}`);
  }

  #closeSockets(): void {
    this.#sockets?.close();
    this.#sockets = undefined;
  }

  /** A worker that does not answer in time is left out. */
  async #metrics(): Promise<string> {
    const pages = await Promise.all(
      this.#slots.map(async (slot) => [slot.number, (await slot.metrics()) ?? ''] as const),
    );
    return joinPages('worker', pages);
  }

  #totals(): TunnelTotals {
    const sum = { open: 0, bytesIn: 0, bytesOut: 0 };
    for (const { totals } of this.#slots) {
      sum.open += totals.open;
      sum.bytesIn += totals.bytesIn;
      sum.bytesOut += totals.bytesOut;
    }
    return sum;
  }

  #message(line: string): void {
    this.#outlets.message(line);
  }
}

import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { messageOf } from '../../../errors.js';
import { deferred } from '../../../helpers/deferred.js';
import { within } from '../../../helpers/within.js';
import { DEFAULT_DRAIN } from '../../drain.js';
import { CommandError, EXIT, messagesOf, SIGNALLED } from '../../exit.js';
import type { TunnelTotals } from '../../output/status-line.js';
import { tunnels } from '../../output/units.js';
import type { Io, Signal } from '../../process/io.js';
import { CLEANUP_TIME, RELOAD_TIME } from '../listen-process.js';
import { CommandOutlets } from '../log/command-outlets.js';
import type { Plan } from '../plan.js';
import {
  addressLines,
  failedReload,
  reloadLines,
  settingLines,
  type Addresses,
} from '../startup/announcements.js';
import { GIVE_TO_GROUP, unreadableFiles } from '../startup/unreadable-files.js';
import { becameUser, becomeUser, identityFor } from '../user/process-user.js';
import { Covers } from './covers.js';
import { ListenSockets } from './listen-sockets.js';
import type { FromWorker, WorkerStart } from './worker-messages.js';
import { PROGRAM, WorkerSlot } from './worker-slot.js';

/** Extra time for workers that end themselves, in seconds. */
const EXIT_TIME = 0.5;
/** Deaths in a row of each worker, with no worker left, after which the command ends. */
const MOST_DEATHS = 5;
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
  readonly #ended = deferred<number>();
  #slots: readonly WorkerSlot[] = [];
  #sockets: ListenSockets | undefined;
  #covers: Covers | undefined;
  #listening: Plan['listen'] = [];
  /** The messages of the start or of the last reload: a message that several workers send is printed once. */
  #shown = new Set<string>();
  #starting: Promise<void> = Promise.resolve();
  #reloading: Promise<void> = Promise.resolve();
  /** A reload that has not begun yet: it will read the newest files. */
  #isReloadQueued = false;
  /** The exit code after a signal. */
  #exitCode: number = EXIT.ok;
  #isStarted = false;
  #isDraining = false;
  /** Draining, and no longer waiting for a reload. */
  #isClosing = false;
  /** The same keys for all workers, so that a login and a TLS session of one worker are valid at the others. */
  readonly #workerStart: Omit<WorkerStart, 'kind' | 'worker'>;

  constructor(io: Io, plan: Plan, readPlan: () => Plan, options: SupervisorOptions) {
    this.#io = io;
    this.#plan = plan;
    this.#readPlan = readPlan;
    this.#options = options;
    this.#outlets = new CommandOutlets(io, () => this.#totals());
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
      this.#starting = started.catch(() => undefined);
      this.#reloading = this.#starting;
      // A signal during the start ends the workers, which then never become ready.
      await Promise.race([started, this.#ended.promise]);
      return await this.#ended.promise;
    } finally {
      stopListening();
      for (const slot of this.#slots) slot.kill();
      await this.#allEnded();
      this.#closeSockets();
      await this.#outlets.close();
    }
  }

  async #start(): Promise<void> {
    const plan = this.#plan;
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
    if (this.#isDraining) return;
    this.#listening = addresses.listening;
    for (const line of addressLines(plan, addresses)) this.#message(line);
    const pids = this.#slots.map(({ pid }) => pid).join(', ');
    this.#message(
      `${workers} worker${workers === 1 ? '' : 's'} (process ${pids}), supervised by process ${process.pid}`,
    );
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
      report: (message, isSettled) => this.#report(number, message, isSettled),
      changed: () => {
        if (!this.#isDraining) this.#covers?.update();
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
    if (!this.#isStarted || this.#isDraining) return false;
    const isHopeless = this.#slots.every(({ isRunning, deaths }) => !isRunning && deaths >= MOST_DEATHS);
    const next = isHopeless
      ? ''
      : pause === 0
        ? '; a new one starts'
        : `; a new one starts in ${pause / 1000} s`;
    this.#message(`worker ${number} ended (${why})${next}`);
    if (!isHopeless) return true;
    this.#message('no worker stays alive: ending');
    this.#ended.resolve(this.#slots[number - 1]?.lastExitCode || EXIT.failed);
    return false;
  }

  #onSignal(signal: Signal): void {
    if (signal === 'SIGHUP' && !this.#io.isTerminalGone()) {
      if (this.#isDraining || this.#isReloadQueued) return;
      this.#isReloadQueued = true;
      this.#reloading = this.#reloading.then(() => this.#reload());
    } else if (this.#isDraining) {
      // Workers end at once at their second message.
      for (const slot of this.#slots) slot.drain();
      this.#exitCode = SIGNALLED[signal];
      void within(EXIT_TIME, this.#allEnded()).then(() => this.#ended.resolve(this.#exitCode));
    } else this.#drain().catch((error: unknown) => this.#failToDrain(error));
  }

  /** Reloads one worker after another. If the first worker rejects the files, no worker reloads. */
  async #reload(): Promise<void> {
    this.#isReloadQueued = false;
    if (this.#isClosing) return;
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
        if (this.#isEnding()) return;
        this.#reportReload(slot, await slot.reload());
      }
      if (this.#isEnding()) return;
      const used = { ...plan, listen, acceptProxy, ...(log !== undefined && { log }) };
      for (const line of reloadLines(plan, this.#plan, used, this.#listening)) this.#message(line);
    } catch (error) {
      for (const line of failedReload(messagesOf(error))) this.#message(line);
    }
  }

  #isEnding(): boolean {
    return this.#isClosing;
  }

  #reportReload({ number }: WorkerSlot, errors: readonly string[]): void {
    for (const line of errors.length > 0 ? failedReload(errors) : [])
      this.#message(`worker ${number}: ${line}`);
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    const { drain = DEFAULT_DRAIN } = this.#plan;
    await within(drain, this.#starting);
    await within(Math.min(drain, RELOAD_TIME), this.#reloading);
    this.#isClosing = true;
    const { open } = this.#totals();
    if (open > 0 && this.#io.stderr.isTTY === true)
      this.#message(`closing ${tunnels(open)}; signal again to end at once`);
    // Otherwise the kernel would go on accepting connections.
    this.#closeSockets();
    for (const slot of this.#slots) slot.drain();
    await within(drain + CLEANUP_TIME + EXIT_TIME, this.#allEnded());
    this.#ended.resolve(this.#exitCode);
  }

  #failToDrain(error: unknown): void {
    this.#message(`the workers could not be ended cleanly: ${messageOf(error)}`);
    this.#ended.resolve(EXIT.failed);
  }

  async #allEnded(): Promise<void> {
    await Promise.all(this.#slots.map((slot) => slot.ended()));
  }

  #closeSockets(): void {
    this.#sockets?.close();
    this.#sockets = undefined;
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

/** A replacement reads the files again, as the other user. @throws {CommandError} */
function requireReadable(plan: Plan, user: string): void {
  const files = [
    ...unreadableFiles(plan),
    ...unusable(process.execPath, constants.X_OK),
    ...unusable(PROGRAM, constants.R_OK),
  ];
  if (files.length === 0) return;
  throw new CommandError(
    EXIT.config,
    `with --workers, ${user} must be able to read the files and to run Node, and has no access to ${files.join(', ')}, or a folder above; ${GIVE_TO_GROUP}`,
  );
}

function unusable(file: string, mode: number): string[] {
  try {
    accessSync(file, mode);
    return [];
  } catch {
    return [file];
  }
}

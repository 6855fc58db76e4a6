import type { RequestListener } from 'node:http';
import { drainTimesOf } from '../drain.js';
import { CommandError, EXIT, messagesOf } from '../exit.js';
import { metricsOf } from '../../tunnel/metrics.js';
import type { TunnelTotals } from '../output/status-line.js';
import type { Io, Signal } from '../process/io.js';
import { AutoExit } from './auto-exit.js';
import type { Health } from './health/health-server.js';
import { StatusServers } from './health/status-servers.js';
import { CommandOutlets, type Outlets } from './log/command-outlets.js';
import { logEvents, repeatsLine } from './log/tunnel-events.js';
import { RepeatLimiter } from './log/repeats.js';
import { LoginEvents } from './login/login-events.js';
import { LoginMemory } from './login/login-memory.js';
import { RefusedOrigins } from './origins/refused-origins.js';
import type { Plan } from './plan.js';
import { NOT_RELOADED, Reloads } from './reloads.js';
import { readCertificate, type Certificate } from './server/certificate.js';
import { Servers } from './server/servers.js';
import { requireClientAddresses } from './settings/client-addresses.js';
import { ProcessState } from './shared/process-state.js';
import { connectRedis } from './shared/redis-connection.js';
import { ProcessEnd } from './shutdown/process-end.js';
import { Recorders } from './site/recorders.js';
import { makeSite } from './site/site.js';
import { Sites } from './site/sites.js';
import { addressLines, failedReload, reloadLines, settingLines } from './startup/announcements.js';
import { GIVE_TO_GROUP, unreadableFiles } from './startup/unreadable-files.js';
import type { WorkerParts } from './worker-parts.js';
import { becameUser, becomeUser, identityFor, type UserIdentity } from './user/process-user.js';

/** The running `listen` command: its servers, its signals and its output. */
export class ListenProcess {
  readonly #readPlan: () => Plan;
  readonly #io: Io;
  /** The plan of the start, used to create the servers. */
  readonly #plan: Plan;
  readonly #worker: WorkerParts | undefined;
  readonly #outlets: Outlets;
  readonly #sites = new Sites();
  // The following fields outlive a reload.
  readonly #state = new ProcessState({
    message: (line) => this.#message(line),
    write: (event, info) => this.#outlets.write(event, info),
    changed: (isUp) => this.#worker?.onShared(isUp),
  });
  readonly #logins: LoginMemory;
  readonly #recorders = new Recorders((line) => this.#outlets.message(line));
  readonly #origins = new RefusedOrigins((line) => this.#outlets.message(line));
  readonly #loginEvents = new LoginEvents({
    write: (event, info) => this.#outlets.write(event, info),
    print: (line) => this.#printFailure(line),
  });
  readonly #refusals = new RepeatLimiter((repeats) => {
    this.#outlets.write('refusals', repeats);
    this.#printFailure(repeatsLine(repeats));
  });
  readonly #autoExit: AutoExit;
  #isVerbose = false;
  #servers: Servers | undefined;
  /** The addresses in use; for a passed descriptor, its socket's address. */
  #listening: Plan['listen'] = [];
  readonly end: ProcessEnd;
  readonly #reloads = new Reloads({
    reload: () => this.#reload(),
    isEnding: () => this.end.isDraining,
    message: (line) => (this.#worker ? this.#worker.onReload([]) : this.#message(line)),
  });
  readonly #status = new StatusServers();
  #isReady = false;

  /** Calls `readPlan` at each SIGHUP. */
  constructor(io: Io, plan: Plan, readPlan: () => Plan, worker?: WorkerParts) {
    this.#io = io;
    this.#readPlan = readPlan;
    this.#plan = plan;
    this.#worker = worker;
    this.#logins = new LoginMemory(worker && { cookieKey: worker.cookieKey });
    this.#autoExit = new AutoExit(this.#plan.autoExit, (why) => this.#exitBecause(why));
    this.#outlets = worker?.outlets ?? new CommandOutlets(io, this.totals);
    this.end = new ProcessEnd({
      times: drainTimesOf(plan),
      sites: this.#sites,
      servers: () => this.#servers,
      message: this.#message,
      announce: (line) => {
        if (!worker) this.#message(line);
      },
      isOnTerminal: io.stderr.isTTY === true,
    });
  }

  /** The servers; none before the start. */
  get servers(): Servers['all'] {
    return this.#servers?.all ?? [];
  }

  readonly totals = (): TunnelTotals => this.#sites.totals();

  // The first access to the state begins to connect to the store: only the start of the command may do that.
  readonly metrics = (): string => metricsOf(this.#isReady ? [this.#state.state] : []);

  readonly #message = (line: string): void => this.#outlets.message(line);

  /** Resolves to the exit code. @throws {CommandError} where the command can't start; nothing is left running then. */
  async run(): Promise<number> {
    // A signal during the start is handled after the start, so that no spawned program survives the command.
    const stopListening = this.#io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (one) => this.#onSignal(one));
    try {
      const started = this.#start(this.#plan);
      this.end.runAfter(started);
      this.#reloads.runAfter(started);
      await started;
      return await this.end.exitCode;
    } catch (error) {
      this.#servers?.end();
      await this.#sites.close({ timeout: 0 });
      throw error;
    } finally {
      stopListening();
      this.#autoExit.stop();
      this.#refusals.end();
      this.#loginEvents.end();
      await this.#state.close();
      await this.#outlets.close();
      this.#status.close();
    }
  }

  async #start(plan: Plan): Promise<void> {
    const identity = this.#worker ? undefined : identityFor(plan.user, this.#message);
    if (!this.#worker) await this.#openStatus(plan);
    const certificate = this.#certificate(plan);
    // The file of the password may be root's.
    await this.#share(plan);
    // If root is given up, open the logs only afterwards: a link in the log's folder could lead root to any file, and `logger` would
    // stay root.
    if (!identity) await this.#outlets.open(plan);
    // Listen and read the files first: ports below 1024 and root's files need root, but spawned programs must run as the other user.
    await this.#use(plan, () => this.#listen(plan, certificate, identity));
    this.#isReady = true;
    this.#announce(plan);
    this.#autoExit.start();
    this.#io.onReady?.();
    this.#outlets.beginStatus();
  }

  /** Prints the addresses and warnings; a worker leaves this to its supervisor. */
  #announce(plan: Plan): void {
    const addresses = { urls: this.#servers?.urls() ?? [], listening: this.#listening };
    if (this.#worker) this.#worker.onReady(addresses);
    else
      for (const line of [
        ...addressLines(plan, addresses),
        ...this.#status.lines,
        ...settingLines(plan, this.#listening),
      ])
        this.#message(line);
  }

  /** Before all else, since a container is checked from its start on, and while the process is root: the port may be below 1024. */
  async #openStatus(plan: Plan): Promise<void> {
    const state: Health = { works: () => 'ok', accepts: () => this.#readiness() };
    await this.#status.open(plan, state, this.metrics);
  }

  #readiness(): ReturnType<Health['accepts']> {
    if (this.end.isDraining) return 'draining';
    if (!this.#isReady) return 'starting';
    return this.#state.isReady ? 'ok' : 'no shared state';
  }

  async #share({ shared }: Plan): Promise<void> {
    const link = shared
      ? await connectRedis(shared, this.#io.environment, this.#worker?.number)
      : this.#worker?.link;
    if (link) this.#state.share(link);
  }

  async #listen(
    plan: Plan,
    certificate: Certificate | undefined,
    identity: UserIdentity | undefined,
  ): Promise<void> {
    const listener: RequestListener = (req, res) => {
      // The next request of this client must go to another process.
      if (this.end.isDraining) res.setHeader('Connection', 'close');
      this.#sites.app(req, res);
    };
    const servers = new Servers(plan, certificate, listener, this.#message);
    this.#servers = servers;
    for (const server of servers.all) this.#sites.bindTo(server);
    await servers.listen(this.#worker?.handles);
    if (this.#worker) servers.shareTickets(this.#worker.ticketKeys);
    this.#listening = servers.addresses();
    requireClientAddresses({ ...plan, listen: this.#listening });
    if (!identity || !plan.user) return;
    becomeUser(identity, plan.user.by);
    await this.#outlets.open(plan);
    this.#message(becameUser(identity, plan.user));
    const files = unreadableFiles(plan);
    if (files.length > 0)
      this.#message(
        `${plan.user.user} can't read ${files.join(', ')}, or a folder above: a reload by SIGHUP will fail; ${GIVE_TO_GROUP}`,
      );
  }

  /** Makes a site from the plan, and sends all further requests to the site. */
  async #use(plan: Plan, beforeTunnels?: () => Promise<void>): Promise<void> {
    const processState = {
      state: () => this.#state.state,
      logins: this.#logins,
      origins: this.#origins,
      loginEvents: this.#loginEvents,
      recorders: this.#recorders,
    };
    const site = await makeSite(plan, processState, this.#message, beforeTunnels);
    this.#origins.forget();
    site.tunnel.on('open', () => this.#autoExit.opened()).on('close', () => this.#autoExit.closed());
    this.#isVerbose = plan.verbose;
    // A tunnel keeps the verbosity of the time when it was opened.
    const verbosity = this.#outlets.verbosity(plan.verbose);
    this.#state.report(site.tunnel);
    logEvents(site.tunnel, {
      print: (line, kind) => this.#outlets.line(line, kind, verbosity),
      write: (event, info) => this.#outlets.write(event, info),
      refusals: this.#refusals,
    });
    this.#sites.use(site);
  }

  #certificate({ tls }: Plan): Certificate | undefined {
    return tls && readCertificate(tls, this.#message);
  }

  #onSignal(signal: Signal): void {
    if (signal === 'SIGHUP' && !this.#io.isTerminalGone()) this.#reloads.request();
    else this.end.signal(signal);
  }

  /** Ends no tunnel: each tunnel keeps the settings under which it was opened. */
  async #reload(): Promise<void> {
    const { listen, tls, log, acceptProxy } = this.#plan;
    try {
      const plan = this.#readPlan();
      // Otherwise a reload that replaces logins by client certificates would remove the logins without requiring certificates.
      if (!plan.tls?.clientCa !== !tls?.clientCa)
        throw new CommandError(
          EXIT.config,
          "a reload can't change whether clients need certificates: restart the command",
        );
      const certificate = this.#certificate(plan);
      await this.#outlets.reopen();
      const used = { ...plan, listen, acceptProxy, ...(log !== undefined && { log }) };
      requireClientAddresses({ ...used, listen: this.#listening });
      await this.#use(used, this.#requireRunning);
      if (certificate) this.#servers?.renew(certificate);
      if (this.#worker) this.#worker.onReload([]);
      else if (this.end.isDraining) this.#message(NOT_RELOADED);
      else for (const line of reloadLines(plan, this.#plan, used, this.#listening)) this.#message(line);
    } catch (error) {
      const errors = messagesOf(error);
      if (this.#worker) this.#worker.onReload(errors);
      else if (this.end.isDraining) this.#message(NOT_RELOADED);
      else for (const line of failedReload(errors)) this.#message(line);
    }
  }

  /** A signal during a reload ends the reload: no program may start any more. */
  readonly #requireRunning = (): Promise<void> =>
    this.end.isDraining
      ? Promise.reject(new CommandError(EXIT.ok, 'the command is ending'))
      : Promise.resolve();

  #exitBecause(why: string): void {
    if (this.end.isDraining) return;
    this.#message(`${why}: ending`);
    this.end.drain({ ...this.end.times, linger: 0 });
  }

  #printFailure(line: string): void {
    this.#outlets.line(line, 'failure', this.#outlets.verbosity(this.#isVerbose));
  }
}

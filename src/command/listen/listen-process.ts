import type { RequestListener } from 'node:http';
import { messageOf } from '../../errors.js';
import { deferred } from '../../helpers/deferred.js';
import { within } from '../../helpers/within.js';
import { LocalState } from '../../shared/local-state.js';
import { DEFAULT_DRAIN } from '../drain.js';
import { CommandError, EXIT, messagesOf, SIGNALLED } from '../exit.js';
import { tunnels } from '../output/units.js';
import type { Io, Signal } from '../process/io.js';
import { AutoExit } from './auto-exit.js';
import { CommandOutput } from './log/command-output.js';
import { EventLog } from './log/event-log.js';
import { logEvents, repeatsLine } from './log/tunnel-events.js';
import { RepeatLimiter } from './log/repeats.js';
import { LoginEvents } from './login/login-events.js';
import { LoginMemory } from './login/login-memory.js';
import { RefusedOrigins } from './origins/refused-origins.js';
import type { Plan } from './plan.js';
import { readCertificate, type Certificate } from './server/certificate.js';
import { Servers } from './server/servers.js';
import { requireClientAddresses } from './settings/client-addresses.js';
import { needsRestart } from './settings/restart-settings.js';
import { makeSite } from './site/site.js';
import { Sites } from './site/sites.js';
import { leftOutSummary } from './startup/left-out.js';
import { reachOf } from './startup/reachability.js';
import { unreadableFiles } from './startup/unreadable-files.js';
import { startupWarnings } from './startup/warnings.js';
import {
  environmentOf,
  giveUpRoot,
  identityOf,
  type UserIdentity,
  type UserName,
} from './user/process-user.js';

/**
 * Seconds for spawned programs and other cleanup, after the tunnels have ended. With the default drain time, the sum is below ten
 * seconds, after which Docker kills a container.
 */
const CLEANUP_TIME = 1;

/** The running `listen` command: its servers, its signals and its output. */
export class ListenProcess {
  readonly #readPlan: () => Plan;
  readonly #io: Io;
  /** The plan of the start, used to create the servers. */
  readonly #plan: Plan;
  readonly #output: CommandOutput;
  readonly #sites = new Sites();
  // The following fields outlive a reload.
  readonly #state = new LocalState();
  readonly #logins = new LoginMemory();
  readonly #origins = new RefusedOrigins((line) => this.#output.message(line));
  readonly #loginEvents = new LoginEvents({
    write: (event, info) => this.#log?.write(event, info),
    print: (line) => this.#printFailure(line),
  });
  readonly #refusals = new RepeatLimiter((repeats) => {
    this.#log?.write('refusals', repeats);
    this.#printFailure(repeatsLine(repeats));
  });
  readonly #autoExit: AutoExit;
  readonly #ended = deferred<number>();
  #isVerbose = false;
  #log: EventLog | undefined;
  #servers: Servers | undefined;
  /** The addresses in use; for a passed descriptor, its socket's address. */
  #listening: Plan['listen'] = [];
  /** Settles when the start, or the last reload, is done. */
  #reloading: Promise<void> = Promise.resolve();
  #isDraining = false;

  /** Calls `readPlan` at once, and at each SIGHUP. */
  constructor(io: Io, readPlan: () => Plan) {
    this.#io = io;
    this.#readPlan = readPlan;
    this.#plan = readPlan();
    this.#autoExit = new AutoExit(this.#plan.autoExit, (why) => this.#exitBecause(why));
    this.#output = new CommandOutput(io, () => this.#sites.totals());
  }

  /** Resolves to the exit code. @throws {CommandError} where the command can't start; nothing is left running then. */
  async run(): Promise<number> {
    // A signal during the start is handled after the start, so that no spawned program survives the command.
    const stopListening = this.#io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (one) => this.#onSignal(one));
    try {
      const started = this.#start(this.#plan);
      this.#reloading = started.catch(() => undefined);
      await started;
      return await this.#ended.promise;
    } catch (error) {
      this.#servers?.end();
      await this.#sites.close(0);
      throw error;
    } finally {
      stopListening();
      this.#autoExit.stop();
      this.#refusals.end();
      this.#loginEvents.end();
      this.#output.endStatus();
      await this.#log?.close();
      await this.#output.closeSyslog();
    }
  }

  async #start(plan: Plan): Promise<void> {
    const identity = plan.user && this.#identityOf(plan.user);
    const certificate = this.#certificate(plan);
    if (!identity) await this.#openLogs(plan);
    // Listen and read the files first: ports below 1024 and root's files need root, but spawned programs must run as the other user.
    await this.#use(plan, () => this.#listen(plan, certificate, identity));
    this.#printAddresses(plan);
    for (const line of leftOutSummary(plan)) this.#output.message(line);
    this.#printWarnings(plan);
    this.#autoExit.start();
    this.#io.onReady?.();
    this.#output.beginStatus();
  }

  /**
   * Opens the logs; if root is given up, only afterwards: a link in the log's folder could lead root to any file, and `logger`
   * would stay root.
   */
  async #openLogs(plan: Plan): Promise<void> {
    if (plan.syslog) await this.#output.openSyslog(plan.syslog);
    this.#log = await EventLog.open(plan.log, this.#output.stdout(), (line) => this.#output.message(line));
  }

  async #listen(
    plan: Plan,
    certificate: Certificate | undefined,
    identity: UserIdentity | undefined,
  ): Promise<void> {
    const listener: RequestListener = (req, res) => this.#sites.app(req, res);
    const servers = new Servers(plan, certificate, listener, (line) => this.#output.message(line));
    this.#servers = servers;
    for (const server of servers.all) this.#sites.bindTo(server);
    await servers.listen();
    this.#listening = servers.addresses();
    requireClientAddresses({ ...plan, listen: this.#listening });
    if (!identity || !plan.user) return;
    giveUpRoot(identity, plan.user.by);
    Object.assign(process.env, environmentOf(identity));
    await this.#openLogs(plan);
    this.#output.message(
      `gave up root: now running as ${plan.user.user} (uid ${identity.uid}, gid ${identity.gid})`,
    );
    const files = unreadableFiles(plan);
    if (files.length > 0)
      this.#output.message(
        `${plan.user.user} can't read ${files.join(', ')}, or a folder above: a reload by SIGHUP will fail; give them to ` +
          'a group of this user (chgrp; chmod g+r, of folders g+rx)',
      );
  }

  #printAddresses(plan: Plan): void {
    for (const [index, url] of this.#servers?.urls().entries() ?? []) {
      const address = this.#listening[index] ?? {};
      // For a passed descriptor, the parent process has chosen the address.
      const isPassedOn = plan.listen[index]?.fd !== undefined;
      const [, port = ''] = /:(\d+)\/$/.exec(url) ?? [];
      const reach = isPassedOn ? '' : reachOf(address, port, plan);
      this.#output.message(`listening on ${url} for ${plan.target}${reach}`);
    }
  }

  /** The user to become; undefined to stay the current user. */
  #identityOf(user: UserName): UserIdentity | undefined {
    const own = process.getuid?.();
    if (own === 0) return identityOf(user);
    if (user.by === '--user' || user.by === '"runAs"') {
      if (own === identityOf(user).uid) return undefined;
      throw new CommandError(EXIT.config, `${user.by}: only root can become "${user.user}"; omit it`);
    }
    // lighttpd ignores the directive without a message.
    this.#output.message(
      `${user.by} is ignored: only root can become "${user.user}"; this process stays uid ${own ?? ''}`,
    );
    return undefined;
  }

  /** Makes a site from the plan, and sends all further requests to the site. */
  async #use(plan: Plan, beforeTunnels?: () => Promise<void>): Promise<void> {
    const processState = {
      state: this.#state,
      logins: this.#logins,
      origins: this.#origins,
      loginEvents: this.#loginEvents,
    };
    const site = await makeSite(plan, processState, (line) => this.#output.message(line), beforeTunnels);
    this.#origins.forget();
    site.tunnel.on('open', () => this.#autoExit.opened()).on('close', () => this.#autoExit.closed());
    this.#isVerbose = plan.verbose;
    // A tunnel keeps the verbosity of the time when it was opened.
    const verbosity = this.#output.verbosity(plan.verbose);
    logEvents(site.tunnel, {
      print: (line, kind) => this.#output.event(line, kind, verbosity),
      write: (event, info) => this.#log?.write(event, info),
      refusals: this.#refusals,
    });
    this.#sites.use(site);
  }

  #certificate({ tls }: Plan): Certificate | undefined {
    return tls && readCertificate(tls, (line) => this.#output.message(line));
  }

  #onSignal(signal: Signal): void {
    if (signal === 'SIGHUP' && !this.#io.isTerminalGone()) {
      // Reloads run one after another, so that the last reload reads the newest files.
      if (!this.#isDraining) this.#reloading = this.#reloading.then(() => this.#reload());
    } else if (this.#isDraining) this.#ended.resolve(SIGNALLED[signal]);
    else this.#drain().catch((error: unknown) => this.#failToDrain(error));
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
      await this.#log?.reopen();
      const used = { ...plan, listen, acceptProxy, ...(log !== undefined && { log }) };
      requireClientAddresses({ ...used, listen: this.#listening });
      await this.#use(used);
      if (certificate) this.#servers?.renew(certificate);
      this.#output.message('the settings were reloaded and apply to new tunnels');
      if (needsRestart(plan, this.#plan))
        this.#output.message(
          'changes of the listen addresses, https, PROXY headers, the connection limit, the drain time, the user and the log apply after a restart',
        );
      for (const line of leftOutSummary(used)) this.#output.message(line);
      this.#printWarnings(used);
    } catch (error) {
      const [first, ...more] = messagesOf(error);
      for (const line of more.reverse()) this.#output.message(line);
      this.#output.message(`${first}; the old settings stay in force`);
    }
  }

  #exitBecause(why: string): void {
    if (this.#isDraining) return;
    this.#output.message(`${why}: ending`);
    this.#drain().catch((error: unknown) => this.#failToDrain(error));
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    const { drain = DEFAULT_DRAIN } = this.#plan;
    const end = performance.now() + drain * 1000;
    const left = () => Math.max(0, (end - performance.now()) / 1000);
    await within(drain, this.#reloading);
    const { open } = this.#sites.totals();
    if (open > 0 && this.#io.stderr.isTTY)
      this.#output.message(`closing ${tunnels(open)}; signal again to end at once`);
    // A file download gets as much time as the tunnels.
    const stopped = within(left(), this.#servers?.stop() ?? Promise.resolve());
    // Programs that need more time are killed with this process.
    await within(left() + CLEANUP_TIME, this.#sites.close(left()));
    await stopped;
    this.#ended.resolve(EXIT.ok);
  }

  #failToDrain(error: unknown): void {
    this.#output.message(`the tunnels could not be closed cleanly: ${messageOf(error)}`);
    this.#ended.resolve(EXIT.failed);
  }

  #printWarnings(plan: Plan): void {
    for (const warning of startupWarnings({ ...plan, listen: this.#listening }))
      this.#output.message(`warning: ${warning}`);
  }

  #printFailure(line: string): void {
    this.#output.event(line, 'failure', this.#output.verbosity(this.#isVerbose));
  }
}

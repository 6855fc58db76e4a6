import type { RequestListener } from 'node:http';
import type { Writable } from 'node:stream';
import { isDeepStrictEqual } from 'node:util';
import { messageOf } from '../../errors.js';
import { within } from '../../helpers/within.js';
import { LocalState } from '../../shared/local-state.js';
import { DEFAULT_DRAIN } from '../drain.js';
import { CommandError, EXIT, messagesOf, SIGNALLED } from '../exit.js';
import { messageLine, type Io, type Signal } from '../process/io.js';
import { readCertificate, type Certificate } from './server/certificate.js';
import { reachOf } from './startup/reach.js';
import { AutoExit } from './auto-exit.js';
import { startupWarnings } from './startup/warnings.js';
import { EventLog, repeatsLine, logEvents, type Verbosity } from './log/event-log.js';
import { RepeatLimiter } from './log/repeats.js';
import { LoginEvents } from './login/login-events.js';
import { LoginMemory } from './login/login-memory.js';
import { leftOutSummary } from './startup/left-out.js';
import { requireClientAddresses } from './settings/client-addresses.js';
import type { Plan } from './plan.js';
import { RefusedOrigins } from './origins/refused-origins.js';
import { Servers } from './server/servers.js';
import { makeSite } from './site/site.js';
import { Sites } from './site/sites.js';
import { StatusLine } from '../output/status-line.js';
import { Syslog } from './log/syslog.js';
import { tunnels } from '../output/units.js';
import { unreadableFiles } from './startup/unreadable-files.js';
import {
  giveUpRoot,
  environmentOf,
  identityOf,
  type UserIdentity,
  type UserName,
} from './user/process-user.js';

/** Seconds for programs to end in, and for what else takes time after the tunnels: with the default drain less than Docker's ten. */
const CLEANUP_TIME = 1;

/** The command at work: its servers, what the signals do to it, and what it tells. */
export class ListenProcess {
  readonly #io: Io;
  readonly #readPlan: () => Plan;
  readonly #sites = new Sites();
  readonly #logins = new LoginMemory();
  readonly #state = new LocalState();
  readonly #loginEvents = new LoginEvents({
    write: (event, info) => this.#log?.write(event, info),
    print: (line) => this.#printEvent(line),
  });
  readonly #origins = new RefusedOrigins((line) => this.#printMessage(line));
  readonly #status: StatusLine;
  /** By which the servers are made. */
  readonly #plan: Plan;
  /** Of all settings: a reload starts no new count. */
  readonly #refusals = new RepeatLimiter((folded) => {
    this.#log?.write('refusals', folded);
    this.#printEvent(repeatsLine(folded));
  });
  readonly #autoExit: AutoExit;
  #isVerbose = false;
  #log: EventLog | undefined;
  /** Of a descriptor the address that is behind it. */
  #listening: Plan['listen'] = [];
  #syslog: Syslog | undefined;
  #servers: Servers | undefined;
  #reloading: Promise<void> = Promise.resolve();
  #isDraining = false;
  #end: (code: number) => void = () => undefined;

  /** `readPlan` is asked again at each SIGHUP. */
  constructor(io: Io, readThePlan: () => Plan) {
    this.#io = io;
    this.#readPlan = readThePlan;
    this.#plan = readThePlan();
    this.#autoExit = new AutoExit(this.#plan.autoExit, (why) => this.#exitBecause(why));
    this.#status = new StatusLine(io, () => this.#sites.sample());
  }

  /** Resolves to the exit code once it is over. @throws {CommandError} where it can't start; nothing is left running then. */
  async run(): Promise<number> {
    const ended = new Promise<number>((resolve) => (this.#end = resolve));
    // From here on: a signal that comes early waits for the start, and leaves no program behind.
    const stopListening = this.#io.onSignal(['SIGTERM', 'SIGINT', 'SIGHUP'], (one) => this.#onSignal(one));
    try {
      const started = this.#start(this.#plan);
      this.#reloading = started.catch(() => undefined);
      await started;
      return await ended;
    } catch (error) {
      this.#servers?.end();
      await this.#sites.close(0);
      throw error;
    } finally {
      stopListening();
      this.#autoExit.stop();
      this.#refusals.end();
      this.#loginEvents.end();
      this.#status.end();
      await this.#log?.close();
      await this.#syslog?.close();
    }
  }

  async #start(plan: Plan): Promise<void> {
    const identity = plan.user && this.#identityOf(plan.user);
    const certificate = this.#certificate(plan);
    if (!identity) await this.#openLogs(plan);
    // Ports below 1024 are root's, and so are its files: those come first. Programs of `spawn` are started as the other user.
    await this.#use(plan, () => this.#listen(plan, certificate, identity));
    this.#printAddresses(plan);
    for (const line of leftOutSummary(plan)) this.#printMessage(line);
    this.#printWarnings(plan);
    this.#autoExit.start();
    this.#io.onReady?.();
    this.#status.begin();
  }

  /** Never as root where root is given up: a link in the log's folder would lead to any file, and `logger` would stay root. */
  async #openLogs(plan: Plan): Promise<void> {
    if (plan.syslog)
      this.#syslog = await Syslog.open(plan.syslog, (line) => this.#status.print(messageLine(line)));
    this.#log = await EventLog.open(plan.log, this.#stdout(), (line) => this.#printMessage(line));
  }

  async #listen(
    plan: Plan,
    certificate: Certificate | undefined,
    identity: UserIdentity | undefined,
  ): Promise<void> {
    const listener: RequestListener = (req, res) => this.#sites.app(req, res);
    const servers = new Servers(plan, certificate, listener, (line) => this.#printMessage(line));
    this.#servers = servers;
    for (const server of servers.all) this.#sites.bindTo(server);
    await servers.listen();
    this.#listening = servers.addresses();
    requireClientAddresses({ ...plan, listen: this.#listening });
    if (!identity || !plan.user) return;
    giveUpRoot(identity, plan.user.by);
    Object.assign(process.env, environmentOf(identity));
    await this.#openLogs(plan);
    this.#printMessage(
      `gave up root: now running as ${plan.user.user} (uid ${identity.uid}, gid ${identity.gid})`,
    );
    const files = unreadableFiles(plan);
    if (files.length > 0)
      this.#printMessage(
        `${plan.user.user} can't read ${files.join(', ')}, or a folder above: a reload by SIGHUP will fail; give them to ` +
          'a group of this user (chgrp; chmod g+r, of folders g+rx)',
      );
  }

  #printAddresses(plan: Plan): void {
    for (const [index, url] of this.#servers?.urls().entries() ?? []) {
      const address = this.#listening[index] ?? {};
      // Where a passed descriptor listens is decided by whoever opened it.
      const isPassedOn = plan.listen[index]?.fd !== undefined;
      const [, port = ''] = /:(\d+)\/$/.exec(url) ?? [];
      this.#printMessage(
        `listening on ${url} for ${plan.target}${isPassedOn ? '' : reachOf(address, port, plan)}`,
      );
    }
  }

  /** Undefined where nothing is to be changed. */
  #identityOf(user: UserName): UserIdentity | undefined {
    const own = process.getuid?.();
    if (own === 0) return identityOf(user);
    if (user.by === '--user' || user.by === '"runAs"') {
      if (own === identityOf(user).uid) return undefined;
      throw new CommandError(EXIT.config, `${user.by}: only root can become "${user.user}"; omit it`);
    }
    // As lighttpd, which says nothing.
    this.#printMessage(
      `${user.by} is ignored: only root can become "${user.user}"; this process stays uid ${own ?? ''}`,
    );
    return undefined;
  }

  /** A site by this plan, for all requests from now on. */
  async #use(plan: Plan, beforeTunnels?: () => Promise<void>): Promise<void> {
    const lasting = {
      state: this.#state,
      logins: this.#logins,
      origins: this.#origins,
      loginEvents: this.#loginEvents,
    };
    const site = await makeSite(plan, lasting, (line) => this.#printMessage(line), beforeTunnels);
    this.#origins.forget();
    site.tunnel.on('open', () => this.#autoExit.opened()).on('close', () => this.#autoExit.closed());
    this.#isVerbose = plan.verbose;
    const telling = this.#verbosity(plan.verbose);
    logEvents(site.tunnel, {
      print: (line, kind) => this.#printEvent(line, kind, telling),
      write: (event, info) => this.#log?.write(event, info),
      folding: this.#refusals,
    });
    this.#sites.use(site);
  }

  /** Where it is a terminal, most likely the one with the status line. */
  #stdout(): Pick<Writable, 'writableLength'> & { write(text: string): boolean } {
    const { stdout } = this.#io;
    if (stdout.isTTY !== true) return stdout;
    return {
      get writableLength() {
        return stdout.writableLength;
      },
      write: (text: string) => this.#status.beside(() => stdout.write(text)),
    };
  }

  #verbosity(isVerbose: boolean): Verbosity {
    if (isVerbose) return 'all';
    return this.#io.stderr.isTTY === true ? 'failures' : 'none';
  }

  #certificate({ tls }: Plan): Certificate | undefined {
    return tls && readCertificate(tls, (line) => this.#printMessage(line));
  }

  #onSignal(signal: Signal): void {
    if (signal === 'SIGHUP' && !this.#io.isTerminalGone()) {
      // One after the other: the last of them reads what the files say by then.
      if (!this.#isDraining) this.#reloading = this.#reloading.then(() => this.#reload());
    } else if (this.#isDraining) this.#end(SIGNALLED[signal]);
    else this.#drain().catch((error: unknown) => this.#failToDrain(error));
  }

  /** Without an end to any tunnel: each stays under the settings that it was opened by. */
  async #reload(): Promise<void> {
    const { listen, unix, tls, log, acceptProxy, trustProxy, maxConnections, drain, user } = this.#plan;
    try {
      const plan = this.#readPlan();
      // Else a login that was exchanged for certificates would be gone, and nothing asked for in its place.
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
      const isOther =
        !isDeepStrictEqual(plan.listen, listen) ||
        !plan.tls !== !tls ||
        plan.log !== log ||
        plan.acceptProxy !== acceptProxy ||
        (acceptProxy && !isDeepStrictEqual(plan.trustProxy, trustProxy)) ||
        plan.maxConnections !== maxConnections ||
        !isDeepStrictEqual(plan.user, user) ||
        !isDeepStrictEqual(plan.unix, unix) ||
        plan.drain !== drain;
      this.#printMessage('the settings were reloaded and apply to new tunnels');
      if (isOther)
        this.#printMessage(
          'changes of the listen addresses, https, PROXY headers, the connection limit, the drain time, the user and the log apply after a restart',
        );
      for (const line of leftOutSummary(used)) this.#printMessage(line);
      this.#printWarnings(used);
    } catch (error) {
      const [first, ...more] = messagesOf(error);
      for (const line of more.reverse()) this.#printMessage(line);
      this.#printMessage(`${first}; the old settings stay in force`);
    }
  }

  #exitBecause(why: string): void {
    if (this.#isDraining) return;
    this.#printMessage(`${why}: ending`);
    this.#drain().catch((error: unknown) => this.#failToDrain(error));
  }

  async #drain(): Promise<void> {
    this.#isDraining = true;
    const { drain = DEFAULT_DRAIN } = this.#plan;
    const end = performance.now() + drain * 1000;
    const left = () => Math.max(0, (end - performance.now()) / 1000);
    await within(drain, this.#reloading);
    const { open } = this.#sites.sample();
    if (open > 0 && this.#io.stderr.isTTY)
      this.#printMessage(`closing ${tunnels(open)}; signal again to end at once`);
    // A file that is under way has as long as the tunnels.
    const stopped = within(left(), this.#servers?.stop() ?? Promise.resolve());
    // Programs are killed with this process where they need longer.
    await within(left() + CLEANUP_TIME, this.#sites.close(left()));
    await stopped;
    this.#end(EXIT.ok);
  }

  #failToDrain(error: unknown): void {
    this.#printMessage(`the tunnels could not be closed cleanly: ${messageOf(error)}`);
    this.#end(EXIT.failed);
  }

  #printWarnings(plan: Plan): void {
    for (const danger of startupWarnings({ ...plan, listen: this.#listening }))
      this.#printMessage(`warning: ${danger}`);
  }

  /** A line about a tunnel or a login: syslog gets every one. */
  #printEvent(
    line: string,
    kind: 'tunnel' | 'failure' = 'failure',
    telling = this.#verbosity(this.#isVerbose),
  ): void {
    if (telling === 'all' || (telling === 'failures' && kind === 'failure')) this.#status.print(line);
    this.#syslog?.write(line);
  }

  #printMessage(line: string): void {
    const message = messageLine(line);
    this.#status.print(message);
    this.#syslog?.write(message);
  }
}

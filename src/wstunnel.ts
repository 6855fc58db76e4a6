import { captureRejectionSymbol, type EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ResolvedHost } from './backends/host.js';
import { messageOf, TunnelError } from './errors.js';
import { isSendable } from './frames/close-codes.js';
import { codeOf } from './streams/close-causes.js';
import { RecentEnds } from './guard/ended.js';
import { Openings } from './guard/limits.js';
import { asEmitter } from './helpers/emitter.js';
import { fail, readBoolean, readNames, readNumber, readSeconds, readText } from './options/checks.js';
import { pathOf } from './request/path.js';
import { within } from './helpers/within.js';
import { createLog } from './observe/log.js';
import { noteTunnelOfRequest } from './observe/per-request.js';
import { Totals } from './observe/totals.js';
import { match, reachOfPath } from './tunnel/route.js';
import { readOptions, type Settings } from './options/options.js';
import { HostMap } from './routes/host-map.js';
import { everyRule } from './routes/rules.js';
import { LocalState } from './shared/local-state.js';
import type { Shared } from './tunnel/context.js';
import { openTunnel, startAtSeam, urlOf } from './tunnel/open.js';
import type { AttachOptions, Next, Tunnel, TunnelEvents, TunnelOptions } from './types.js';
import { attachTo, closeIfUnneeded, detachFrom, dispatcherOf, openDispatcher } from './upgrade/attach.js';
import { draining } from './upgrade/attempt.js';
import { hasAutomatic, unwatchServers, watchServers } from './upgrade/auto-attach.js';
import { asksForWebSocket, hasHandshake } from './upgrade/handshake.js';
import { removeHomeless } from './upgrade/homeless.js';
import { isLastInApp, sayWhatItIs } from './upgrade/last-in-app.js';
import { checkRuntime } from './upgrade/runtime.js';
import { markTarget, watchMounting, type UpgradeTarget } from './upgrade/target.js';

/** The longest part of a path in a warning. */
const MAX_SHOWN = 200;

/** Seconds that `close()` waits before it destroys what is still open. */
const CLOSE_WAIT = 10;

/**
 * lighttpd's `mod_wstunnel` as Express or Connect middleware: ends a WebSocket here and streams its bytes to a backend.
 *
 *     app.use('/vnc', requireLogin, wstunnel({ url: /^\/websockify/, server: { port: 5900 } }));
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for a wrong option, with its name, the value and the way out; WSTUNNEL_RUNTIME under Bun.
 */
export function wstunnel<Req extends IncomingMessage = IncomingMessage>(
  options: TunnelOptions<Req>,
): Tunnel<Req> {
  return createTunnel(options, new LocalState());
}

/** The same with a state that other tunnels have as well: what is counted, hosts' states and programs outlive this one. */
export function createTunnel<Req extends IncomingMessage>(
  options: TunnelOptions<Req>,
  state: LocalState,
): Tunnel<Req> {
  checkRuntime();
  const settings = readOptions(options);
  const log = createLog(settings.debug);
  const totals = new Totals();
  const attached = new Set<WeakRef<Server>>();
  const target: UpgradeTarget = {
    handshakeTimeout: settings.base.handshakeTimeout,
    isAutomatic: () => settings.autoAttach && !isDraining,
    isMounted: watchMounting(middleware),
    takes: (path) => reachOfPath(settings, path),
    warnOfMiss: (path) =>
      warn(
        'WSTUNNEL_HIDDEN',
        `an upgrade for ${path.slice(0, MAX_SHOWN)} went to another "upgrade" listener of its server, and this tunnel was not ` +
          "found in that server's app. If it is mounted there, in a function that hides it or behind a wrapper, call " +
          `tunnel.attach(server, { path: ... }) with the path that leads to it`,
      ),
    start: (req) => startAtSeam(shared, req),
  };
  let isDraining = false;
  let closing: Promise<void> | undefined;
  const warned = new Set<string>();

  const membership = state.join({ log, announce: (info) => emit('backend', info), lists: listsOf(settings) });
  const { pool } = membership;
  const shared: Shared = {
    limits: settings.limits,
    counter: state.counter,
    openings: new Openings(settings.limits.opening),
    // The seam gives the app as long as the tunnel takes itself.
    ends: new RecentEnds(2 * longestHandshake(settings)),
    pool,
    spawner: state.spawner,
    totals,
    log,
    attempts: new Set(),
    open: new Set(),
    lingering: new Set(),
    isDraining: () => isDraining,
    notAttached,
    announce: {
      open: (info) => emit('open', info),
      close: (info) => emit('close', info),
      refuse: (info) => emit('refuse', info),
    },
  };

  function middleware(req: Req, res: ServerResponse, next: Next): void {
    const path = asksForWebSocket(req) ? pathOf(req) : undefined;
    const route = path === undefined ? undefined : match(settings, req, path);
    if (route) {
      removeHomeless(target);
      if (isNew) noteTunnelOfRequest();
    }
    if (route) void openTunnel(shared, route, req, res, next);
    else if (isForNobodyElse(req)) sayWhatItIs(res);
    else next();
  }

  /** A plain GET of the tunnel's own path that the app would answer with "Cannot GET"; false where that is in doubt. */
  function isForNobodyElse(req: Req): boolean {
    if (req.method !== 'GET' || hasHandshake(req)) return false;
    const path = pathOf(req);
    const route = path === undefined ? undefined : match(settings, req, path);
    // Last: it looks through the whole app, and most requests are not the tunnel's.
    return route !== undefined && route.failure === undefined && isLastInApp(req, target);
  }

  const tunnel = asEmitter(middleware, {
    attach(server: Server, given: AttachOptions = {}) {
      checkServer(server);
      const { path: paths, exclusive = false } = readAttachOptions(given);
      if (isDraining) return tunnel;
      removeHomeless(target);
      attachTo(server, target, { paths, exclusive });
      attached.add(new WeakRef(server));
      return tunnel;
    },
    close,
    get draining() {
      return isDraining;
    },
    end(
      filter: Parameters<Tunnel['end']>[0],
      code = codeOf('ended-by-app'),
      reason = 'ended by the application',
    ) {
      checkClose(code, reason);
      const picked = [...shared.open].filter((one) => filter(one.info()));
      for (const one of picked) one.cutOff(code, reason);
      // Who logs out while a tunnel is being opened must not get it afterwards.
      const opening = [...shared.attempts].filter((one) => filter(one.info()));
      for (const { attempt } of opening) attempt.abort(new TunnelError('WSTUNNEL_ENDED', reason));
      shared.ends.add(filter, reason);
      return picked.length + opening.length;
    },
    stats() {
      const open = Array.from(shared.open, (one) => one.info());
      const done = totals.snapshot();
      return {
        open: open.length,
        opening: shared.attempts.size,
        ...done,
        bytesIn: open.reduce((sum, { bytesIn }) => sum + bytesIn, done.bytesIn),
        bytesOut: open.reduce((sum, { bytesOut }) => sum + bytesOut, done.bytesOut),
        backends: pool.snapshot(),
      };
    },
    [Symbol.asyncDispose]: () => close(),
    [captureRejectionSymbol]: (error: unknown, name: string | symbol) => complainOfListener(name, error),
  }) as Tunnel<Req>;

  markTarget(tunnel, target);
  if (settings.autoAttach) watchServers(target);
  // A request can come in the turn that made the tunnel only where the request itself made it.
  let isNew = true;
  setImmediate(() => (isNew = false)).unref();
  return tunnel;

  function notAttached(req: IncomingMessage): TunnelError {
    const { server } = req.socket as { server?: Server };
    const hint = settings.autoAttach
      ? 'this upgrade came before the tunnel could listen for it; the next one will pass. To have the first one pass as ' +
        'well, mount the tunnel itself (app.use(tunnel)), not a function around it, or call tunnel.attach(server)'
      : 'autoAttach is false: call tunnel.attach(server)';
    // Where we listen already, the client asked in a way that Node takes for no upgrade: it may not change anything.
    if (!server || dispatcherOf(server)?.isListening() !== true) {
      if (settings.autoAttach && server) {
        openDispatcher(server).learn(urlOf(req), target.handshakeTimeout);
        attached.add(new WeakRef(server));
      }
      warn('WSTUNNEL_NOT_ATTACHED', hint);
    }
    return new TunnelError('WSTUNNEL_NOT_ATTACHED', 'the tunnel is not ready yet', {
      headers: { 'Retry-After': '1' },
      cause: new Error(hint),
    });
  }

  /** Once for each code. */
  function warn(code: string, message: string): void {
    if (!warned.has(code)) process.emitWarning(`wstunnel: ${message}`, { code });
    warned.add(code);
  }

  function close(given: Parameters<Tunnel['close']>[0] = {}): Promise<void> {
    readNames(given, 'close()', {
      timeout: readSeconds(0, 3600),
      code: readNumber(1000, 4999),
      reason: readText,
    });
    const { timeout = CLOSE_WAIT, code = codeOf('drain'), reason = 'the server is closing' } = given;
    checkClose(code, reason);
    closing ??= drain(timeout, code, reason);
    return closing;
  }

  async function drain(timeout: number, code: number, reason: string): Promise<void> {
    isDraining = true;
    unwatchServers(target);
    for (const { attempt } of shared.attempts) attempt.abort(draining());
    for (const one of shared.open) one.close(code, reason);
    // The refusals of those attempts: a Close behind the upgrade is waited for as well.
    await new Promise((resolve) => setImmediate(resolve));
    if (!(await within(timeout, closedOf([...shared.open, ...shared.lingering])))) {
      const rest = [...shared.open, ...shared.lingering];
      for (const one of rest) one.destroy();
      await closedOf(rest);
    }
    await membership.leave(timeout);
    for (const reference of attached) {
      const server = reference.deref();
      if (!server) continue;
      detachFrom(server, target);
      closeIfUnneeded(server, hasAutomatic());
    }
  }

  function emit<Name extends keyof TunnelEvents>(name: Name, ...args: TunnelEvents[Name]): void {
    try {
      (tunnel as EventEmitter).emit(name, ...args);
    } catch (error) {
      complainOfListener(name, error);
    }
  }

  /** A listener's fault must neither end the process nor the tunnel it was told of. */
  function complainOfListener(name: string | symbol, error: unknown): void {
    const complaint = `a listener for '${String(name)}' failed: ${messageOf(error)}`;
    log('tunnel', 'error', '%s', complaint);
    process.emitWarning(`wstunnel: ${complaint}`);
  }
}

/** The hosts that the options name, list by list. */
function listsOf<Req extends IncomingMessage>({ base, rules }: Settings<Req>): (readonly ResolvedHost[])[] {
  const servers = [base, ...everyRule(rules).map(({ set }) => set)].map(({ server }) => server);
  return servers
    .filter((server) => typeof server === 'object')
    .flatMap((server) => (server instanceof HostMap ? server.lists : [server]));
}

function longestHandshake<Req extends IncomingMessage>({ base, rules }: Settings<Req>): number {
  const others = everyRule(rules).map(({ set }) => set.handshakeTimeout ?? 0);
  return Math.max(base.handshakeTimeout, ...others);
}

function closedOf(all: readonly { closed: Promise<void> }[]): Promise<unknown> {
  return Promise.all(all.map(({ closed }) => closed));
}

function checkServer(server: unknown): void {
  const { on, listeners } = (server ?? {}) as Partial<Server>;
  if (typeof on !== 'function' || typeof listeners !== 'function')
    fail('attach()', 'takes an http, https or http2 server, such as app.listen() returns', server);
}

function readAttachOptions(given: AttachOptions): {
  path: readonly string[] | undefined;
  exclusive?: boolean;
} {
  const checks = { path: readPaths, exclusive: readBoolean };
  readNames(given, 'attach()', checks);
  const { path, exclusive } = given;
  if (exclusive === true && path === undefined)
    fail('attach()', "exclusive needs the path that is the tunnel's alone", given);
  return {
    path: path === undefined ? undefined : [path].flat(),
    ...(exclusive !== undefined && { exclusive }),
  };
}

function readPaths(value: unknown, name: string): void {
  const paths: unknown[] = Array.isArray(value) ? value : [value];
  const isPath = (path: unknown) => typeof path === 'string' && path.startsWith('/');
  if (paths.length === 0 || !paths.every(isPath))
    fail(name, 'must be a path that begins with "/", or a list', value);
}

function checkClose(code: unknown, reason: unknown): void {
  if (typeof code !== 'number' || !Number.isInteger(code) || !isSendable(code))
    fail(
      'code',
      'must be a close code that may be sent: 1000 to 1014 without 1004 to 1006, or 3000 to 4999',
      code,
    );
  if (typeof reason !== 'string') fail('reason', 'must be a string', reason);
}

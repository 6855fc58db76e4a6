import { captureRejectionSymbol, type EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { BackendPool } from './backends/pool.js';
import { Spawner } from './backends/spawn/spawner.js';
import { messageOf, TunnelError } from './errors.js';
import { isSendable } from './frames/close-codes.js';
import { RecentEnds } from './guard/ended.js';
import { LocalCounter, Openings } from './guard/limits.js';
import { asEmitter } from './helpers/emitter.js';
import { fail, readBoolean, readNames, readNumber, readSeconds, readText } from './helpers/readers.js';
import { pathOf } from './helpers/path.js';
import { within } from './helpers/within.js';
import { createLog } from './observe/log.js';
import { Totals } from './observe/totals.js';
import { match, reachOfPath } from './match.js';
import { readOptions, type Settings } from './options/options.js';
import { HostMap } from './routes/host-map.js';
import { everyRule } from './routes/rules.js';
import { compileUrl } from './routes/url.js';
import type { Shared } from './shared.js';
import { openTunnel, startAtSeam } from './tunnel.js';
import type { AttachOptions, Next, Tunnel, TunnelEvents, TunnelOptions } from './types.js';
import { attachTo, detachFrom, isAttachedTo, type Binding, type SeamUser } from './upgrade/attach.js';
import { draining } from './upgrade/attempt.js';
import { unwatchServers, watchServers, type Candidate } from './upgrade/auto-attach.js';
import { asksForWebSocket } from './upgrade/handshake.js';

/** Seconds that `close()` waits before it destroys what is still open. */
const CLOSE_WAIT = 10;

/**
 * lighttpd's `mod_wstunnel` as Express or Connect middleware: ends a WebSocket here and streams its bytes to a backend.
 *
 *     app.use('/vnc', requireLogin, wstunnel({ url: /^\/websockify/, server: { port: 5900 } }));
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for a wrong option, with its name, the value and the way out.
 */
export function wstunnel<Req extends IncomingMessage = IncomingMessage>(
  options: TunnelOptions<Req>,
): Tunnel<Req> {
  const settings = readOptions(options);
  const log = createLog(settings.debug);
  const totals = new Totals();
  const attached = new Set<WeakRef<Server>>();
  const seamUser: SeamUser = {
    handshakeTimeout: settings.base.handshakeTimeout,
    // A middleware that wraps ours for tracing copies its properties.
    isMiddleware: (handler) => (handler as Partial<Tunnel> | undefined)?.attach === tunnel.attach,
    takes: (path) => reachOfPath(settings, path),
    start: (req) => startAtSeam(shared, req),
  };
  let isDraining = false;
  let closing: Promise<void> | undefined;
  let warnedOfAttaching = false;

  const pool = new BackendPool(
    (info) => emit('backend', info),
    (error) => log('backend', 'error', 'balance strategy failed: %s', messageOf(error)),
  );
  const spawner = new Spawner(
    (format, ...values) => log('backend', 'debug', format, ...values),
    (host, why) => {
      log('backend', 'warn', '%s failed: %s', host.id, why);
      for (const state of pool.statesOf([host])) pool.failed(state, why);
    },
  );
  for (const { server } of [settings.base, ...everyRule(settings.rules).map(({ set }) => set)]) {
    if (typeof server !== 'object') continue;
    for (const hosts of server instanceof HostMap ? server.lists : [server]) {
      pool.add(hosts);
      spawner.add(hosts);
    }
  }
  const shared: Shared = {
    limits: settings.limits,
    counter: new LocalCounter(),
    openings: new Openings(settings.limits.opening),
    // The seam gives the app as long as the tunnel takes itself.
    ends: new RecentEnds(2 * longestHandshake(settings)),
    pool,
    spawner,
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
    if (route) void openTunnel(shared, route, req, res, next);
    else next();
  }

  const tunnel = asEmitter(middleware, {
    attach(server: Server, given: AttachOptions = {}) {
      checkServer(server);
      const { path, exclusive = false } = readAttachOptions(given);
      attach(server, { byHand: true, owns: path && compileUrl(path), exclusive });
      return tunnel;
    },
    close,
    get draining() {
      return isDraining;
    },
    end(filter: Parameters<Tunnel['end']>[0], code = 1008, reason = 'ended by the application') {
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

  const candidate: Candidate = {
    user: seamUser,
    attach: (server) => attach(server, { byHand: false, owns: undefined, exclusive: false }),
  };
  if (settings.autoAttach) watchServers(candidate);
  return tunnel;

  function attach(server: Server, binding: Binding): void {
    if (isDraining) return;
    if (attachTo(server, seamUser, binding)) attached.add(new WeakRef(server));
  }

  function notAttached(req: IncomingMessage): TunnelError {
    const { server } = req.socket as { server?: Server };
    const hint = settings.autoAttach
      ? 'this upgrade came before the tunnel could listen for it; the next one will pass. To have the first one pass as ' +
        'well, mount the tunnel itself (app.use(tunnel)), not a function around it, or call tunnel.attach(server)'
      : 'autoAttach is false: call tunnel.attach(server)';
    // Where we listen already, the client asked in a way that Node takes for no upgrade: it may not change the binding.
    if (!server || !isAttachedTo(server, seamUser)) {
      if (settings.autoAttach && server) attach(server, { byHand: true, owns: undefined, exclusive: false });
      if (!warnedOfAttaching) process.emitWarning(`wstunnel: ${hint}`, { code: 'WSTUNNEL_NOT_ATTACHED' });
      warnedOfAttaching = true;
    }
    return new TunnelError('WSTUNNEL_NOT_ATTACHED', 'the tunnel is not ready yet', {
      headers: { 'Retry-After': '1' },
      cause: new Error(hint),
    });
  }

  function close(given: Parameters<Tunnel['close']>[0] = {}): Promise<void> {
    readNames(given, 'close()', {
      timeout: readSeconds(0, 3600),
      code: readNumber(1000, 4999),
      reason: readText,
    });
    const { timeout = CLOSE_WAIT, code = 1001, reason = 'the server is closing' } = given;
    checkClose(code, reason);
    closing ??= drain(timeout, code, reason);
    return closing;
  }

  async function drain(timeout: number, code: number, reason: string): Promise<void> {
    isDraining = true;
    unwatchServers(candidate);
    for (const { attempt } of shared.attempts) attempt.abort(draining());
    for (const one of shared.open) one.close(code, reason);
    // The refusals of those attempts: a Close behind the upgrade is waited for as well.
    await new Promise((resolve) => setImmediate(resolve));
    if (!(await within(timeout, closedOf([...shared.open, ...shared.lingering])))) {
      const rest = [...shared.open, ...shared.lingering];
      for (const one of rest) one.destroy();
      await closedOf(rest);
    }
    await spawner.close(timeout);
    for (const reference of attached) {
      const server = reference.deref();
      if (server) detachFrom(server, seamUser);
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

import { captureRejectionSymbol, type EventEmitter } from 'node:events';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { ResolvedHost } from './backends/host.js';
import { messageOf, TunnelError } from './errors.js';
import { OpeningCounter } from './guard/limits.js';
import { RecentEnds } from './guard/recent-ends.js';
import { codeOf } from './streams/close-causes.js';
import { asEmitter } from './helpers/emitter.js';
import { serverOf } from './internals/node-net.js';
import { createLog } from './observe/log.js';
import { noteTunnelOfRequest } from './observe/per-request.js';
import { fail } from './options/checks/fail.js';
import { readOptions } from './options/read-tunnel.js';
import { type Settings } from './options/settings.js';
import { pathOf } from './request/path.js';
import { everyRule } from './routes/compiled-rules.js';
import { CompiledHostMap } from './routes/host-map.js';
import { LocalState } from './shared/local-state.js';
import type { EndCall } from './replicas/messages.js';
import type { Member } from './shared/members.js';
import { checkServer, readAttachOptions } from './tunnel/attach-options.js';
import type { TunnelContext } from './tunnel/context.js';
import { checkClose, drain, readCloseOptions, type CloseOptions } from './tunnel/closing.js';
import { endTunnels } from './tunnel/ending.js';
import { readFilter } from './tunnel/filter.js';
import { countUpgrade, openTunnel, urlOf } from './tunnel/open.js';
import { answerCheck } from './tunnel/login/answer-check.js';
import { LoginChecks } from './tunnel/login/login-checks.js';
import { match, reachOfPath } from './tunnel/route.js';
import { statsOf } from './tunnel/stats.js';
import type {
  AttachOptions,
  EndResult,
  Next,
  SharedState,
  Tunnel,
  TunnelEvents,
  TunnelFilter,
  TunnelInfo,
  TunnelOptions,
} from './types.js';
import { isLastHandler } from './upgrade/app/last-handler.js';
import { markTunnel, watchMounting, type AttachableTunnel } from './upgrade/attachable-tunnel.js';
import { checkOf } from './upgrade/check/check-on-request.js';
import { asksForWebSocket, hasHandshakeHeader } from './upgrade/opening-handshake.js';
import { respondUpgradeRequired } from './upgrade/refusal-response.js';
import { checkRuntime } from './upgrade/runtime.js';
import {
  attachTo,
  closeIfUnneeded,
  detachFrom,
  dispatcherOf,
  openDispatcher,
} from './upgrade/servers/attach.js';
import { hasAutomatic, unwatchServers, watchServers } from './upgrade/servers/auto-attach.js';
import { removeUnlocated } from './upgrade/servers/unlocated-tunnels.js';

/** Limit of the characters of a path in a warning. */
const MAX_SHOWN = 200;

/**
 * lighttpd's `mod_wstunnel` as Express or Connect middleware: ends a WebSocket here and streams its bytes to a backend.
 *
 *     app.use('/vnc', requireLogin, wstunnel({ url: /^\/websockify/, server: { port: 5900 } }));
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, with its name, its value and a hint; WSTUNNEL_RUNTIME under Bun.
 */
export function wstunnel<Req extends IncomingMessage = IncomingMessage>(
  options: TunnelOptions<Req>,
): Tunnel<Req> {
  return createTunnel(options);
}

/** Creates a tunnel object. `given`: a shared state in place of the option `shared`. */
export function createTunnel<Req extends IncomingMessage>(
  options: TunnelOptions<Req>,
  given?: LocalState,
): Tunnel<Req> {
  checkRuntime();
  const settings = readOptions(options);
  const state = given ?? stateOf(settings.shared);
  const isAlone = given === undefined && settings.shared === undefined;
  const log = createLog(settings.debug);
  const attached = new Set<WeakRef<Server>>();
  const attachable: AttachableTunnel = {
    handshakeTimeout: settings.base.handshakeTimeout,
    isAutomatic: () => settings.autoAttach && !isDraining,
    isMounted: watchMounting(middleware),
    takes: (path) => reachOfPath(settings, path),
    warnOfMiss: (path) =>
      warn(
        'WSTUNNEL_HIDDEN',
        `an upgrade for ${path.slice(0, MAX_SHOWN)} went to another "upgrade" listener of its server, and this tunnel was not ` +
          "found in that server's app. If it is mounted there, inside a wrapper or another function that hides it, call " +
          `tunnel.attach(server, { path: ... }) with the path that leads to it`,
      ),
    start: (req) => countUpgrade(context, req),
  };
  let isDraining = false;
  let closing: Promise<void> | undefined;
  const warned = new Set<string>();

  const open: TunnelContext['open'] = new Set();
  const opening: TunnelContext['opening'] = new Set();
  const { name } = settings;
  // The app's middleware may take one handshakeTimeout, and the opening another.
  const ends = new RecentEnds(2 * longestHandshake(settings), name, state.members.newest?.ends);
  const member: Member = {
    ...{ name, log, lists: listsOf(settings), open, opening, ends },
    announce: (info) => emit('backend', info),
    sharedChanged: (info) => emit('shared', info),
    end: (picks, code, reason, at) => endTunnels(context, picks, code, reason, true, at),
  };
  const membership = state.join(member);
  const { pool, totals } = membership;
  const context: TunnelContext = {
    name,
    limits: settings.limits,
    counter: state.counter,
    openingCounter: new OpeningCounter(settings.limits.opening, state.openingCounter),
    ends,
    pool,
    spawner: state.spawner,
    totals,
    log,
    opening,
    open,
    members: state.members,
    network: state.network,
    refusing: new Set(),
    // The tunnel objects of one state follow each other (a reload of the command).
    logins: new LoginChecks(state, log),
    isDraining: () => isDraining,
    notAttached,
    announce: {
      hears: (event) => tunnel.listenerCount(event) > 0,
      open: (info) => emit('open', info),
      close: (info) => emit('close', info),
      refuse: (info) => emit('refuse', info),
    },
  };

  function middleware(req: Req, res: ServerResponse, next: Next): void {
    const path = asksForWebSocket(req) ? pathOf(req) : undefined;
    const route = path === undefined ? undefined : match(settings, req, path);
    if (route) {
      removeUnlocated(attachable);
      // A tunnel object with a shared state is made by a reload, perhaps in the event-loop turn of a request.
      if (isNew && isAlone) noteTunnelOfRequest();
    }
    const check = route && checkOf(req);
    if (check) void answerCheck(state, route, req, check);
    else if (route) void openTunnel(context, route, req, res, next);
    else if (isForNobodyElse(req)) respondUpgradeRequired(res);
    else next();
  }

  /** A plain GET of the tunnel's path that the app would answer with "Cannot GET"; false if that is uncertain. */
  function isForNobodyElse(req: Req): boolean {
    if (req.method !== 'GET' || hasHandshakeHeader(req)) return false;
    const path = pathOf(req);
    const route = path === undefined ? undefined : match(settings, req, path);
    // `isLastHandler` runs last: the function walks the whole app, and most requests do not belong to the tunnel.
    return route !== undefined && route.failure === undefined && isLastHandler(req, attachable);
  }

  const tunnel = asEmitter(middleware, {
    attach(server: Server, attachOptions: AttachOptions = {}) {
      checkServer(server);
      const binding = readAttachOptions(attachOptions);
      if (isDraining) return tunnel;
      removeUnlocated(attachable);
      attachTo(server, attachable, binding);
      attached.add(new WeakRef(server));
      return tunnel;
    },
    close,
    get draining() {
      return isDraining;
    },
    tunnels(where: TunnelFilter = {}) {
      return state.members.select(readFilter(where, 'tunnels()')).map(({ info }) => info);
    },
    end(
      where: TunnelFilter | ((tunnel: TunnelInfo) => boolean),
      code = codeOf('ended-by-app'),
      reason = 'ended by the application',
    ) {
      checkClose(code, reason);
      if (typeof where === 'function') return endTunnels(context, (one) => where(one), code, reason);
      // This process first: a store that is down must not keep a user's tunnels open.
      const ended = state.members.end(readFilter(where, 'end()'), code, reason);
      return endElsewhere(state, ended, { where, code, reason });
    },
    stats() {
      // After close() this tunnel object is no member, and has no open tunnels.
      return statsOf(state.members.named(name), totals, pool);
    },
    [Symbol.asyncDispose]: () => close(),
    [captureRejectionSymbol]: (error: unknown, name: string | symbol) => reportListenerError(name, error),
  }) as Tunnel<Req>;

  markTunnel(tunnel, attachable);
  contexts.set(tunnel, context);
  if (settings.autoAttach) watchServers(attachable);
  // A request in the event-loop turn that created the tunnel object means that a request handler created the object.
  let isNew = true;
  setImmediate(() => (isNew = false)).unref();
  return tunnel;

  function notAttached(req: IncomingMessage): TunnelError {
    const server = serverOf(req.socket) as Server | undefined;
    const hint = settings.autoAttach
      ? 'this upgrade arrived before the tunnel could listen for it; the next one will pass. To let the first one pass too, ' +
        'mount the tunnel itself (app.use(tunnel)) instead of a function around it, or call tunnel.attach(server)'
      : 'autoAttach is false: call tunnel.attach(server)';
    // If we listen already, Node did not recognise the client's request as an upgrade, and attaching would not help.
    if (!server || dispatcherOf(server)?.isListening() !== true) {
      if (settings.autoAttach && server) {
        openDispatcher(server).learn(urlOf(req), attachable.handshakeTimeout);
        attached.add(new WeakRef(server));
      }
      warn('WSTUNNEL_NOT_ATTACHED', hint);
    }
    return new TunnelError('WSTUNNEL_NOT_ATTACHED', 'the tunnel is not ready yet', {
      headers: { 'Retry-After': '1' },
      cause: new Error(hint),
    });
  }

  /** Emits a process warning, once for each code. */
  function warn(code: string, message: string): void {
    if (!warned.has(code)) process.emitWarning(`wstunnel: ${message}`, { code });
    warned.add(code);
  }

  function close(closeOptions?: Parameters<Tunnel['close']>[0]): Promise<void> {
    const checked = readCloseOptions(closeOptions);
    closing ??= drainAndDetach(checked);
    return closing;
  }

  async function drainAndDetach(closeOptions: CloseOptions): Promise<void> {
    isDraining = true;
    unwatchServers(attachable);
    await drain(context, closeOptions);
    await membership.leave(closeOptions.timeout);
    for (const reference of attached) {
      const server = reference.deref();
      if (!server) continue;
      detachFrom(server, attachable);
      closeIfUnneeded(server, hasAutomatic());
    }
  }

  function emit<Name extends keyof TunnelEvents>(name: Name, ...args: TunnelEvents[Name]): void {
    try {
      (tunnel as EventEmitter).emit(name, ...args);
    } catch (error) {
      reportListenerError(name, error);
    }
  }

  /** An error in a listener must end neither the process nor the tunnel. */
  function reportListenerError(name: string | symbol, error: unknown): void {
    const complaint = `a listener for '${String(name)}' failed: ${messageOf(error)}`;
    log('tunnel', 'error', '%s', complaint);
    process.emitWarning(`wstunnel: ${complaint}`);
  }
}

const contexts = new WeakMap<object, TunnelContext>();

/** Has this tunnel object no request and no open tunnel? Others with the same state do not count. */
export function isIdle(tunnel: Tunnel): boolean {
  const context = contexts.get(tunnel);
  return !context || (context.open.size === 0 && context.opening.size === 0);
}

/** Ends the tunnels of other processes that share the state as well. */
async function endElsewhere({ network }: LocalState, ended: number, call: EndCall): Promise<EndResult> {
  if (!network) return { ended, silent: [] };
  const others = await network.end(call);
  return { ended: ended + others.ended, silent: others.silent };
}

/** The state in the option `shared`, or a new one that ends with the tunnel object. */
function stateOf(shared: SharedState | undefined): LocalState {
  if (shared === undefined) return new LocalState();
  if (!(shared instanceof LocalState)) fail('shared', 'must be the result of memoryShared()', shared);
  if (shared.isClosed) fail('shared', 'must not be closed: make a new one with memoryShared()', shared);
  return shared;
}

/** The lists of hosts in the options. */
function listsOf<Req extends IncomingMessage>({ base, rules }: Settings<Req>): (readonly ResolvedHost[])[] {
  const servers = [base, ...everyRule(rules).map(({ set }) => set)].map(({ server }) => server);
  return servers
    .filter((server) => typeof server === 'object')
    .flatMap((server) => (server instanceof CompiledHostMap ? server.lists : [server]));
}

/** The longest `handshakeTimeout`, in seconds. */
function longestHandshake<Req extends IncomingMessage>({ base, rules }: Settings<Req>): number {
  const others = everyRule(rules).map(({ set }) => set.handshakeTimeout ?? 0);
  return Math.max(base.handshakeTimeout, ...others);
}

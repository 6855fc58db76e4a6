import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ResolvedHost } from './backends/host.js';
import { OpeningCounter, limitedKinds } from './guard/limits.js';
import { RecentEnds } from './guard/recent-ends.js';
import { asEmitter } from './helpers/emitter.js';
import { createLog } from './observe/log.js';
import { fail } from './options/checks/fail.js';
import { readOptions } from './options/read-tunnel.js';
import type { ServerSetting, Settings } from './options/settings.js';
import { SHARED_KINDS } from './options/tunnel-options.js';
import { everyRule } from './routes/compiled-rules.js';
import { CompiledHostMap } from './routes/host-map.js';
import { LocalState, type Membership } from './shared/local-state.js';
import { Announcer } from './tunnel/announcer.js';
import type { TunnelContext } from './tunnel/context.js';
import { endTunnels } from './tunnel/ending.js';
import { LoginChecks } from './tunnel/login/login-checks.js';
import { methodsOf } from './tunnel/methods.js';
import { Middleware } from './tunnel/middleware.js';
import { countUpgrade } from './tunnel/open.js';
import { TunnelServers } from './tunnel/servers.js';
import { Shutdown } from './tunnel/shutdown.js';
import type { Next, SharedState, Tunnel, TunnelOptions } from './types.js';
import { markTunnel, watchMounting } from './upgrade/attachable-tunnel.js';
import { checkRuntime } from './upgrade/runtime.js';

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
  const { name, limits } = settings;
  const state = given ?? stateOf(settings.shared);
  const log = createLog(settings.debug);
  const announcer = new Announcer(() => tunnel, log, name);

  const open: TunnelContext['open'] = new Set();
  const opening: TunnelContext['opening'] = new Set();
  // The app's middleware may take one handshakeTimeout, and the opening another.
  const ends = new RecentEnds(2 * longestHandshake(settings), name, state.members.newest?.ends);
  const membership = state.join({
    ...{ name, log, lists: listsOf(settings), open, opening, ends },
    isDraining: () => shutdown.isDraining,
    announce: (info) => announcer.emit('backend', info),
    sharedChanged: (info) => announcer.emit('shared', info),
    end: (picks, code, reason, at) => endTunnels(context, picks, code, reason, true, at),
  });
  // One for all tunnel objects of a state with the same name: those follow each other at reloads. Others may have other guards.
  const owner = membership.totals;
  state.network?.counter.limit(
    limitedKinds(
      limits,
      limits.sharedOpening,
      listsOf(settings)
        .flat()
        .map(({ maxTunnels }) => maxTunnels),
    ),
  );
  const context: TunnelContext = {
    name,
    limits,
    counter: state.counter,
    openingCounter: new OpeningCounter(limits.opening, state.openingCounter),
    ends,
    pool: membership.pool,
    spawner: state.spawner,
    totals: membership.totals,
    refusals: state.view.refusals,
    log,
    opening,
    inApp: { count: 0 },
    open,
    members: state.members,
    network: state.network,
    tickets: state.tickets,
    loginPauses: state.loginPauses,
    refusing: new Set(),
    logins: new LoginChecks(owner, log, membership.totals.counts.checks),
    recordings: new Set(),
    isDraining: () => shutdown.isDraining,
    notAttached: (req) => servers.notAttached(req),
    announce: announcer.announce,
  };

  const ofOptions = serversOf(settings);
  const servers = new TunnelServers(settings, {
    isMounted: watchMounting(middleware),
    start: (req) => countUpgrade(context, req, ofOptions),
  });
  const isAlone = given === undefined && settings.shared === undefined;
  const handler = new Middleware({ settings, context, servers, owner, isAlone });
  const shutdown = new Shutdown(context, servers, membership);

  const hasServer = ofOptions.length > 0;
  const methods = methodsOf({
    ...{ context, servers, shutdown, announcer, state, hasServer },
    stateOf: (other) => insides.get(other as object)?.state,
    tunnel: () => tunnel,
  });
  const tunnel: Tunnel<Req> = asEmitter(middleware, methods) as Tunnel<Req>;
  markTunnel(tunnel, servers.attachable);
  insides.set(tunnel, { context, membership, state });
  return tunnel;

  function middleware(req: Req, res: ServerResponse, next: Next): void {
    handler.handle(req, res, next);
  }
}

const insides = new WeakMap<object, { context: TunnelContext; membership: Membership; state: LocalState }>();

/**
 * For a tunnel object that gets no further requests: ends the programs that only this tunnel object's options name, once no tunnel
 * uses them. Does nothing while a request may still need them.
 *
 * @returns `opening` while requests have no 101 yet, `open` with open tunnels only, else `idle`
 */
export function retire(tunnel: Tunnel): 'opening' | 'open' | 'idle' {
  const inside = insides.get(tunnel);
  if (!inside) return 'idle';
  const { context, membership } = inside;
  if (context.inApp.count > 0 || context.opening.size > 0) return 'opening';
  membership.retire();
  return context.open.size > 0 ? 'open' : 'idle';
}

/** The state in the option `shared`, or a new one that ends with the tunnel object. */
function stateOf(shared: SharedState | undefined): LocalState {
  if (shared === undefined) return new LocalState();
  if (!(shared instanceof LocalState)) fail('shared', SHARED_KINDS, shared);
  if (shared.isClosed) fail('shared', 'must not be closed: make a new one', shared);
  return shared;
}

/** The settings `server` of the tunnel object and of its rules. */
function serversOf<Req extends IncomingMessage>({ base, rules }: Settings<Req>): ServerSetting<Req>[] {
  const servers = [base, ...everyRule(rules).map(({ set }) => set)].map(({ server }) => server);
  return servers.filter((server) => server !== undefined);
}

/** The lists of hosts in the options. */
function listsOf<Req extends IncomingMessage>(settings: Settings<Req>): (readonly ResolvedHost[])[] {
  return serversOf(settings)
    .filter((server) => typeof server === 'object')
    .flatMap((server) => (server instanceof CompiledHostMap ? server.lists : [server]));
}

/** The longest `handshakeTimeout`, in seconds. */
function longestHandshake<Req extends IncomingMessage>({ base, rules }: Settings<Req>): number {
  const others = everyRule(rules).map(({ set }) => set.handshakeTimeout ?? 0);
  return Math.max(base.handshakeTimeout, ...others);
}

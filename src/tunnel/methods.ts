import { captureRejectionSymbol } from 'node:events';
import { IncomingMessage, type Server } from 'node:http';
import { fail } from '../options/checks/fail.js';
import { codeOf } from '../streams/close-causes.js';
import type { LocalState } from '../shared/local-state.js';
import type { EndCall } from '../replicas/messages.js';
import type { Network } from '../shared/network.js';
import type {
  AttachOptions,
  CloseOptions,
  EndResult,
  TicketOptions,
  Tunnel,
  TunnelFilter,
  TunnelInfo,
} from '../types.js';
import { serverDraining } from '../upgrade/opening-attempt.js';
import { AdminPages } from './admin.js';
import type { Announcer } from './announcer.js';
import { checkClose } from './closing.js';
import type { TunnelContext } from './context.js';
import { endTunnels } from './ending.js';
import { readFilter } from './filter.js';
import type { TunnelServers } from './servers.js';
import type { Shutdown } from './shutdown.js';
import { metricsOf } from './metrics.js';
import { statsOf } from './stats.js';
import { readTicketOptions } from './ticket-options.js';

/** The parts of a tunnel object that its methods need. */
interface MethodParts<Req extends IncomingMessage> {
  readonly context: TunnelContext;
  readonly servers: TunnelServers<Req>;
  readonly shutdown: Shutdown<Req>;
  readonly announcer: Announcer;
  readonly state: LocalState;
  /** Do the options have a `server` for at least some requests? */
  readonly hasServer: boolean;
  /** The state of another tunnel object; undefined for anything else. */
  readonly stateOf: (tunnel: unknown) => LocalState | undefined;
  /** The tunnel object, which `attach` returns. */
  readonly tunnel: () => Tunnel<Req>;
}

/** The methods and properties of a tunnel object besides those of an EventEmitter. */
export function methodsOf<Req extends IncomingMessage>(parts: MethodParts<Req>) {
  const { context, servers, shutdown, announcer, state, hasServer } = parts;
  const { members, tickets } = state;
  const admin = new AdminPages({
    log: context.log,
    isDraining: () => shutdown.isDraining,
    end: (one, where, code = codeOf('ended-by-app'), reason = 'ended by an administrator') => {
      checkClose(code, reason);
      return endEverywhere(one, { where, code, reason });
    },
  });
  shutdown.onClose((isDone) => admin.endStreams(isDone));
  return {
    attach(server: Server, options: AttachOptions = {}) {
      servers.attach(server, options, !shutdown.isDraining);
      return parts.tunnel();
    },
    close: (options?: CloseOptions) => shutdown.close(options),
    get draining() {
      return shutdown.isDraining;
    },
    ticket(options: TicketOptions) {
      const { name } = context;
      const { content, seconds } = readTicketOptions(options, {
        name,
        isShared: tickets.isShared,
        hasServer,
      });
      if (shutdown.isDraining) throw serverDraining();
      return tickets.make(content, seconds);
    },
    tunnels(where: TunnelFilter = {}) {
      return members.select(readFilter(where, 'tunnels()')).map(({ info }) => info);
    },
    end(
      where: TunnelFilter | ((tunnel: TunnelInfo) => boolean),
      code = codeOf('ended-by-app'),
      reason = 'ended by the application',
    ) {
      checkClose(code, reason);
      if (typeof where === 'function') return endTunnels(context, (one) => where(one), code, reason);
      return endEverywhere(state, { where, code, reason });
    },
    stats() {
      // After close() this tunnel object is no member, and has no open tunnels.
      return statsOf(members.named(context.name), context.totals, context.pool);
    },
    metrics: (...others: Tunnel<never>[]) =>
      metricsOf([state, ...others.map((other) => stateOfOther(parts, other, 'metrics()'))]),
    admin: (...others: Tunnel<never>[]) =>
      admin.page([state, ...others.map((other) => stateOfOther(parts, other, 'admin()'))]),
    [Symbol.asyncDispose]: () => shutdown.close(),
    [captureRejectionSymbol]: (error: unknown, name: string | symbol) =>
      announcer.listenerFailed(name, error),
  };
}

function stateOfOther<Req extends IncomingMessage>(
  { stateOf }: MethodParts<Req>,
  other: unknown,
  call: string,
): LocalState {
  const hint =
    other instanceof IncomingMessage
      ? `: give the app the result of tunnel.${call}, not tunnel.${call.slice(0, -2)}`
      : '';
  return stateOf(other) ?? fail(call, 'takes tunnel objects, which wstunnel() returns', other, hint);
}

/** Ends tunnels of this process and of other processes that share the state. Throws for an invalid filter. */
function endEverywhere({ members, network }: LocalState, call: EndCall): Promise<EndResult> {
  const { where, code, reason } = call;
  // This process first: a store that is down must not keep a user's tunnels open.
  const ended = members.end(readFilter(where, 'end()'), code, reason);
  return endElsewhere(network, ended, call);
}

async function endElsewhere(network: Network | undefined, ended: number, call: EndCall): Promise<EndResult> {
  if (!network) return { ended, silent: [] };
  const others = await network.end(call);
  return { ended: ended + others.ended, silent: others.silent };
}

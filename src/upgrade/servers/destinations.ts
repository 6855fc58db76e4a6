import type { IncomingMessage, Server } from 'node:http';
import { isEngineIoAlone, isForEngineIo } from '../../internals/engine-io.js';
import { isCaseSensitive } from '../../internals/express.js';
import { pathOf, queryOf } from '../../request/path.js';
import { compileUrl } from '../../routes/url-match.js';
import { findTunnels, type TunnelsInApp } from '../app/find-tunnels.js';
import type { AttachableTunnel } from '../attachable-tunnel.js';
import { asksForWebSocket } from '../opening-handshake.js';
import { mostCertain, type Reach } from '../path-reach.js';
import type { UpgradeDestination } from '../upgrade-destination.js';
import { Bindings, type Binding } from './bindings.js';
import { unlocatedFor } from './unlocated-tunnels.js';

/** The parts of a request that determine the tunnel. */
type UpgradeRequest = Pick<IncomingMessage, 'url' | 'headers'>;

/** Seconds for the response to an upgrade without a known tunnel. */
const UNKNOWN_TIMEOUT = 30;

/** Limit of remembered paths per server that have led to a tunnel; the oldest path is forgotten first. */
const MAX_PATHS = 1000;

/** Decides which tunnels the upgrades of one server lead to: by the app, by `attach()`, and by earlier requests. */
export class Destinations {
  readonly bindings = new Bindings();
  readonly #server: Server;
  readonly #isOurs: (listener: unknown) => boolean;
  /** Paths that have led to a tunnel, with the tunnel's `handshakeTimeout`. */
  readonly #reached = new Map<string, number>();
  /** The last path of the map. */
  #latest: string | undefined;

  /** `isOurs` recognises the dispatcher's own `upgrade` listener. */
  constructor(server: Server, isOurs: (listener: unknown) => boolean) {
    this.#server = server;
    this.#isOurs = isOurs;
  }

  /** A request for this URL has reached a tunnel. */
  remember(url: string, handshakeTimeout: number): void {
    const path = pathOf({ url });
    if (path === undefined) return;
    if (path === this.#latest && this.#reached.get(path) === handshakeTimeout) return;
    this.#latest = path;
    this.#reached.delete(path);
    this.#reached.set(path, handshakeTimeout);
    const [oldest] = this.#reached.keys();
    if (this.#reached.size > MAX_PATHS && oldest !== undefined) this.#reached.delete(oldest);
  }

  /**
   * May an open tunnel be on this server? `hasAutomatic`: there are open tunnels that attach automatically, and such a tunnel may
   * be hidden here.
   */
  isNeeded(hasAutomatic: boolean): boolean {
    if (this.bindings.list().length > 0) return true;
    const { targets, isWrapped, isHidden } = findTunnels(this.#server.listeners('request'));
    if ([...targets.keys()].some((tunnel) => tunnel.isAutomatic())) return true;
    return hasAutomatic && (isWrapped || isHidden || this.#reached.size > 0);
  }

  /** Is a tunnel known to be on this server? `found`: the result of a search in this event-loop turn. */
  hasTunnel(found?: TunnelsInApp): boolean {
    if (this.bindings.list().length > 0 || this.#reached.size > 0) return true;
    const { targets, isWrapped } = found ?? findTunnels(this.#server.listeners('request'));
    return isWrapped || targets.size > 0;
  }

  /** `hasOthers`: other listeners would get the upgrade as well. */
  of(req: UpgradeRequest, hasOthers: boolean): UpgradeDestination {
    const path = pathOf(req);
    if (path === undefined || !asksForWebSocket(req)) return { reach: 'no', handshakeTimeout: 0 };
    const listeners = this.#server.listeners('request');
    const { targets, isWrapped, isHidden } = this.#search(listeners, path, queryOf(req), hasOthers);
    const found = new Possible();
    for (const [tunnel, reach] of targets) {
      if (tunnel.isAutomatic() && !this.bindings.get(tunnel))
        found.add(reach, tunnel.handshakeTimeout, tunnel);
    }
    for (const [tunnel, binding] of this.bindings.list()) {
      const reach =
        reachOfBinding(binding, path, listeners) ?? mostCertain([targets.get(tunnel) ?? 'no', 'maybe']);
      found.add(reach, tunnel.handshakeTimeout, tunnel);
    }
    const reached = this.#reached.get(path);
    // The tunnel's rules may decide differently for the next request on this path.
    if (reached !== undefined) found.add('maybe', reached);
    if (isWrapped) found.add('maybe', UNKNOWN_TIMEOUT);
    if (isHidden) {
      const seconds = this.#insideEngineIo(path);
      found.add(seconds === undefined ? 'hidden' : 'maybe', seconds ?? 0);
    }
    const { reach, handshakeTimeout, isLocated } = found;
    return {
      // Clients of engine.io accept no answer except engine.io's.
      reach: reach === 'maybe' && isForEngineIo(req) ? 'no' : reach,
      handshakeTimeout,
      tunnel: found.countingTunnel(hasOthers),
      isLocated,
    };
  }

  /** Asks mounted apps only if other listeners would get the upgrade of an unlocated tunnel. */
  #search(listeners: readonly unknown[], path: string, query: string, hasOthers: boolean): TunnelsInApp {
    const found = findTunnels(listeners, path, false, query);
    const isDoubtful = found.isHidden && hasOthers && unlocatedFor(path).some((tunnel) => tunnel.isMounted());
    return isDoubtful ? findTunnels(listeners, path, true, query) : found;
  }

  /**
   * If engine.io hides the app and does not claim this upgrade, a mounted tunnel may be in that app. Returns the longest
   * `handshakeTimeout`, and undefined if there is no such tunnel.
   */
  #insideEngineIo(path: string): number | undefined {
    if (!isEngineIoAlone(this.#server, this.#isOurs)) return undefined;
    const times = unlocatedFor(path)
      .filter((tunnel) => tunnel.isMounted())
      .map(({ handshakeTimeout }) => handshakeTimeout);
    // The deadlines of tunnels that were reached on this server by other paths.
    times.push(...this.#reached.values());
    return times.length === 0 ? undefined : Math.max(...times);
  }
}

/** The tunnels that one upgrade may reach. The tunnel that the request will reach is not known yet. */
class Possible {
  reach: Reach = 'no';
  /** The longest of all tunnels. */
  handshakeTimeout = 0;
  isLocated = false;
  /** Of several tunnels the last in the order of binding: the command binds a new tunnel after reading new settings. */
  #certain: AttachableTunnel | undefined;
  #uncertain: AttachableTunnel | undefined;

  add(reach: Reach, handshakeTimeout: number, tunnel?: AttachableTunnel): void {
    if (reach === 'no') return;
    this.reach = mostCertain([this.reach, reach]);
    this.handshakeTimeout = Math.max(this.handshakeTimeout, handshakeTimeout);
    if (tunnel === undefined) return;
    this.isLocated = true;
    if (reach === 'yes') this.#certain = tunnel;
    else if (reach === 'maybe') this.#uncertain = tunnel;
  }

  /** The tunnel that counts the upgrade. */
  countingTunnel(hasOthers: boolean): AttachableTunnel | undefined {
    return this.#certain ?? (hasOthers ? undefined : this.#uncertain);
  }
}

/** Undefined if the tunnel was bound without paths. */
function reachOfBinding(
  { paths, exclusive }: Binding,
  path: string,
  listeners: readonly unknown[],
): Reach | undefined {
  if (!paths) return undefined;
  const fold = (text: string) => (isCaseSensitive(listeners) ? text : text.toLowerCase());
  if (!compileUrl(paths.map(fold))(fold(path))) return 'no';
  return exclusive ? 'yes' : 'maybe';
}

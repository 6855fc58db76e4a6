import type { IncomingMessage, Server } from 'node:http';
import { TunnelError } from '../errors.js';
import { serverOf } from '../internals/node-net.js';
import type { Settings } from '../options/settings.js';
import type { AttachOptions } from '../types.js';
import type { AttachableTunnel } from '../upgrade/attachable-tunnel.js';
import { attachTo, closeIfUnneeded, detachFrom, dispatcherOf } from '../upgrade/servers/attach.js';
import { hasAutomatic, learnUrl, unwatchServers, watchServers } from '../upgrade/servers/auto-attach.js';
import { removeUnlocated } from '../upgrade/servers/unlocated-tunnels.js';
import { checkServer, readAttachOptions } from './attach-options.js';
import { urlOf } from './open.js';
import { reachOfPath } from './route.js';

/** Limit of the characters of a path in a warning. */
const MAX_SHOWN = 200;

/** The servers of one tunnel object: binds to them, by hand or automatically, until `detach`. */
export class TunnelServers<Req extends IncomingMessage> {
  /** The tunnel object in the eyes of the servers. */
  readonly attachable: AttachableTunnel;
  readonly #isAutomatic: boolean;
  readonly #attached = new Set<WeakRef<Server>>();
  readonly #warned = new Set<string>();
  #isDetached = false;

  constructor(settings: Settings<Req>, { isMounted, start }: Pick<AttachableTunnel, 'isMounted' | 'start'>) {
    this.#isAutomatic = settings.autoAttach;
    this.attachable = {
      handshakeTimeout: settings.base.handshakeTimeout,
      isAutomatic: () => this.#isAutomatic && !this.#isDetached,
      isMounted,
      takes: (path, query) => reachOfPath(settings, path, query),
      warnOfMiss: (path) =>
        this.#warn(
          'WSTUNNEL_HIDDEN',
          `an upgrade for ${path.slice(0, MAX_SHOWN)} went to another "upgrade" listener of its server, and this tunnel was not ` +
            "found in that server's app. If it is mounted there, inside a wrapper or another function that hides it, call " +
            `tunnel.attach(server, { path: ... }) with the path that leads to it`,
        ),
      start,
    };
    if (this.#isAutomatic) watchServers(this.attachable);
  }

  /** `isAllowed`: false after `close()`; the arguments are checked all the same. */
  attach(server: Server, options: AttachOptions, isAllowed: boolean): void {
    checkServer(server);
    const binding = readAttachOptions(options);
    if (!isAllowed) return;
    this.located();
    attachTo(server, this.attachable, binding);
    this.#attached.add(new WeakRef(server));
  }

  /** A request has reached the tunnel object, or the app has named a server. */
  located(): void {
    removeUnlocated(this.attachable);
  }

  /** The refusal of an upgrade that arrived as an ordinary request. */
  notAttached(req: IncomingMessage): TunnelError {
    const server = serverOf(req.socket) as Server | undefined;
    const hint = this.#isAutomatic
      ? 'this upgrade arrived before the tunnel could listen for it; the next one will pass. To let the first one pass too, ' +
        'mount the tunnel itself (app.use(tunnel)) instead of a function around it, or call tunnel.attach(server)'
      : 'autoAttach is false: call tunnel.attach(server)';
    // If we listen already, Node did not recognise the client's request as an upgrade, and attaching would not help.
    if (!server || dispatcherOf(server)?.isListening() !== true) {
      if (this.#isAutomatic && server) learnUrl(server, urlOf(req), this.attachable.handshakeTimeout);
      this.#warn('WSTUNNEL_NOT_ATTACHED', hint);
    }
    return new TunnelError('WSTUNNEL_NOT_ATTACHED', 'the tunnel is not ready yet', {
      headers: { 'Retry-After': '1' },
      cause: new Error(hint),
    });
  }

  /** At the end of `close()`. Until then new requests must reach the tunnel object, for their 503. */
  detach(): void {
    this.#isDetached = true;
    unwatchServers(this.attachable);
    for (const reference of this.#attached) {
      const server = reference.deref();
      if (!server) continue;
      detachFrom(server, this.attachable);
      closeIfUnneeded(server, hasAutomatic());
    }
  }

  /** Emits a process warning, once for each code. */
  #warn(code: string, message: string): void {
    if (!this.#warned.has(code)) process.emitWarning(`wstunnel: ${message}`, { code });
    this.#warned.add(code);
  }
}

import type { IncomingMessage, Server } from 'node:http';
import type { Duplex } from 'node:stream';
import type { TunnelsInApp } from '../app/find-tunnels.js';
import type { AttachableTunnel } from '../attachable-tunnel.js';
import { announceConnect, isHttp2Server } from '../http2/extended-connect.js';
import { streamGateway, type ServerStreamEvent } from '../http2/stream-gateway.js';
import { asksForWebSocket, isPlainHandshake } from '../opening-handshake.js';
import { admitUpgrade } from '../through-app/admission.js';
import { reparseAsOrdinary } from '../through-app/return-to-node.js';
import { TrackedConnections } from '../through-app/tracked-connections.js';
import { UpgradeThroughApp } from '../through-app/upgrade-through-app.js';
import type { Binding } from './bindings.js';
import { Destinations } from './destinations.js';
import { reportMiss } from './unlocated-tunnels.js';
import { decideUpgrades } from './upgrade-decision.js';

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/**
 * Sends each upgrade of one server through the app, or to the server's other `upgrade` listeners.
 *
 * An upgrade that leads to a known tunnel goes through the app: the tunnel is visible in the app's stack, was reached by an
 * earlier request on this path, or was bound by `attach()`. Any other upgrade goes to the other listeners. On a server
 * without other listeners, the app gets the upgrade as an ordinary request, and a tunnel that is hidden in the app may claim
 * the upgrade.
 *
 * The dispatcher replaces the server's `emit` to decide before any listener runs: the listeners of some libraries answer
 * every upgrade, and an EventEmitter cannot skip a listener.
 */
export class UpgradeDispatcher {
  readonly #server: Server;
  readonly #destinations: Destinations;
  // Without any `upgrade` listener Node parses upgrades as ordinary requests.
  readonly #marker = (): void => undefined;
  readonly #connections: TrackedConnections;
  readonly #hadEmit: boolean;
  readonly #originalEmit: Emit;
  readonly #restoreDecision: () => void;
  readonly #endAnnouncement: () => void;
  #isClosed = false;
  readonly #takeStream: ((event: ServerStreamEvent) => boolean) | undefined;

  constructor(server: Server) {
    this.#server = server;
    this.#destinations = new Destinations(server, (listener) => listener === this.#marker);
    this.#connections = TrackedConnections.of(server);
    this.#hadEmit = Object.hasOwn(server, 'emit');
    const { emit } = server as unknown as { emit: Emit };
    this.#originalEmit = emit;
    this.#takeStream = isHttp2Server(server)
      ? streamGateway(server, {
          destination: (req, hasOthers) => this.#destinations.of(req, hasOthers),
          pass: (args) => void this.#pass(['stream', ...args]),
          reached: (url, seconds) => this.#destinations.remember(url, seconds),
        })
      : undefined;
    this.#endAnnouncement = isHttp2Server(server) ? announceConnect(server) : () => undefined;
    // Newer Node asks before removing the parser: a request that would be returned to Node then stays ordinary from the start.
    this.#restoreDecision = decideUpgrades(server, (req, ask) => {
      if (this.#isClosed) return ask();
      const isPlain = isPlainHandshake(req);
      if (!this.hasOthers()) return isPlain;
      const { reach } = this.#destinations.of(req, true);
      if (reach === 'no' || reach === 'hidden') return ask();
      return isPlain || (reach === 'maybe' && ask());
    });
    this.tend();
    server.emit = this.#emit as Server['emit'];
  }

  bind(tunnel: AttachableTunnel, binding: Binding): void {
    this.#destinations.bindings.set(tunnel, binding);
    this.tend();
  }

  unbind(tunnel: AttachableTunnel): void {
    this.#destinations.bindings.delete(tunnel);
  }

  /** An ordinary request for this URL has reached a tunnel that is hidden in the app: upgrades on the same path go through the app. */
  learn(url: string, handshakeTimeout: number): void {
    this.#destinations.remember(url, handshakeTimeout);
    this.tend();
  }

  /** Does the server have an `upgrade` listener, so that Node recognises upgrades? */
  isListening(): boolean {
    return this.#server.listenerCount('upgrade') > 0;
  }

  /** Does the server have an `upgrade` listener besides ours? */
  hasOthers(): boolean {
    return this.#server.listeners('upgrade').some((listener) => listener !== this.#marker);
  }

  /** `hasAutomatic`: there are open tunnels that attach automatically, and one of them may be hidden in this server's app. */
  isNeeded(hasAutomatic: boolean): boolean {
    return this.#destinations.isNeeded(hasAutomatic);
  }

  /** Adds our listener if Node needs a listener. Removes our listener if other listeners exist and no tunnel is known. */
  tend(found?: TunnelsInApp): void {
    const server = this.#server;
    const isThere = server.listeners('upgrade').includes(this.#marker);
    const isWanted = !this.hasOthers() || this.#destinations.hasTunnel(found);
    if (isWanted && !isThere) server.on('upgrade', this.#marker);
    if (!isWanted && isThere) server.off('upgrade', this.#marker);
  }

  close(): void {
    const server = this.#server;
    this.#isClosed = true;
    this.#restoreDecision();
    this.#endAnnouncement();
    this.#connections.close();
    server.off('upgrade', this.#marker);
    // Another tool may have wrapped our `emit`, and continues to call our function, which then only passes events on.
    if (server.emit !== this.#emit) return;
    if (this.#hadEmit) server.emit = this.#originalEmit as Server['emit'];
    else Reflect.deleteProperty(server, 'emit');
  }

  /** `all`: the event and the arguments, in one array that is passed on: Node emits several events for each connection. */
  readonly #emit: Emit = (...all) => {
    const [event] = all;
    if (this.#isClosed) return this.#pass(all);
    if (event === 'stream' && this.#takeStream)
      return this.#takeStream(all.slice(1) as unknown as ServerStreamEvent) || this.#pass(all);
    if (event !== 'upgrade') return this.#pass(all);
    const [, req, socket, head] = all as [string, IncomingMessage, Duplex, Buffer];
    return this.#dispatch(req, socket, head);
  };

  #pass(all: Parameters<Emit>): boolean {
    // A tracing tool may have replaced the prototype's method in the meantime.
    const emit = this.#hadEmit
      ? this.#originalEmit
      : (Object.getPrototypeOf(this.#server) as { emit: Emit }).emit;
    return Reflect.apply(emit, this.#server, all);
  }

  #dispatch(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const server = this.#server;
    const hasOthers = this.hasOthers();
    const { reach, handshakeTimeout, tunnel, isLocated } = this.#destinations.of(req, hasOthers);
    const isKnown = reach === 'maybe' || reach === 'yes';
    const giveToOthers = (bytes: Buffer) => this.#pass(['upgrade', req, socket, bytes]);
    if (hasOthers && !isKnown) {
      if (asksForWebSocket(req)) reportMiss(req);
      return giveToOthers(head);
    }
    if (!isPlainHandshake(req)) {
      // With other listeners, an invalid handshake is answered here only if the path certainly leads to a tunnel.
      if (hasOthers && reach === 'maybe') return giveToOthers(head);
      reparseAsOrdinary(server, req, socket, head);
      return true;
    }
    // Express shortens the request's URL within a mount.
    const { url = '/' } = req;
    const slot = admitUpgrade(tunnel, req, socket);
    if (!slot) return true;
    const upgrade = new UpgradeThroughApp({
      server,
      req,
      socket,
      head,
      slot,
      onReached: (seconds) => {
        if (!isLocated) this.#destinations.remember(url, seconds);
      },
    });
    if (!isKnown) upgrade.startAsOrdinary(this.#connections);
    else if (hasOthers && reach === 'maybe') upgrade.startAsTrial(handshakeTimeout, giveToOthers);
    else upgrade.start(handshakeTimeout);
    return true;
  }
}

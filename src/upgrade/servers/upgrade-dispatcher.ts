import { Server as HttpServer, type IncomingMessage, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { pathOf } from '../../request/path.js';
import { compileUrl } from '../../routes/url-match.js';
import { Bindings, type Binding } from './bindings.js';
import { Connections } from './tracked-connections.js';
import { asksForWebSocket, isPlainHandshake } from '../opening-handshake.js';
import { isEngineIoAlone, isForEngineIo } from '../../internals/engine-io.js';
import { reportMiss, suspectsOf } from './unlocated-tunnels.js';
import { takeStreams, type ServerStreamEvent } from '../http2/stream-gateway.js';
import { announceConnect, isHttp2 } from '../http2/extended-connect.js';
import { furthest, isCaseSensitive, lookInside, type Reach, type Sight } from '../app/find-tunnels.js';
import { admit } from '../through-app/admission.js';
import { handleAsOrdinary } from '../through-app/return-to-node.js';
import type { UpgradeTarget } from '../attachable-tunnel.js';
import { UpgradeThroughApp } from '../through-app/upgrade-through-app.js';

export type { Binding };

/** As much of a request as decides which tunnel it is for. */
type Asked = Pick<IncomingMessage, 'url' | 'headers'>;

/** Where an upgrade leads. */
export interface Destination {
  /** How surely it is for a tunnel. */
  readonly reach: Reach;
  /** How long the tunnels in question wait for the 101, in seconds. */
  readonly handshakeTimeout: number;
  /** The tunnel that counts it among its openings, if one is known. */
  readonly target?: UpgradeTarget | undefined;
  /** A tunnel was found in the app or was attached: nothing has to be remembered of the path. */
  readonly isInSight?: boolean;
}

type Emit = (event: string | symbol, ...args: unknown[]) => boolean;

/** Seconds for an answer to an upgrade of which it is not known which tunnel it is for. */
const UNKNOWN_TIMEOUT = 30;

/** Paths of one server through which an upgrade has reached a tunnel; the oldest is forgotten. */
const MAX_PATHS = 1000;

/**
 * Decides for each upgrade of one server whether it goes through the app or to the server's other `upgrade` listeners.
 *
 * An upgrade goes through the app where it is known to lead to a tunnel: the tunnel is seen in the app's stack, was
 * reached before by this path, or was attached by hand. Everything else is the other listeners', where there are any; where
 * there are none, the app gets the request as if nothing listened for upgrades, and a tunnel that is hidden there may take it.
 *
 * The decision falls in the server's `emit`, before any listener: a greedy listener would answer as well, and an
 * EventEmitter cannot stop it.
 */
export class UpgradeDispatcher {
  readonly #server: Server;
  readonly #bindings = new Bindings();
  /** Paths that have led to a tunnel, with its `handshakeTimeout`. */
  readonly #reached = new Map<string, number>();
  // Node asks for a listener before it treats a request as an upgrade.
  readonly #marker = (): void => undefined;
  readonly #connections: Connections;
  readonly #hadEmit: boolean;
  readonly #emitBefore: Emit;
  readonly #unask: () => void;
  readonly #unannounce: () => void;
  readonly #streams: ((event: ServerStreamEvent) => boolean) | undefined;

  constructor(server: Server) {
    this.#server = server;
    this.#connections = new Connections(server);
    this.#hadEmit = Object.hasOwn(server, 'emit');
    const { emit } = server as unknown as { emit: Emit };
    this.#emitBefore = emit;
    this.#streams = isHttp2(server)
      ? takeStreams(server, {
          destination: (req, others) => this.#destinationOf(req, others),
          pass: (args) => void this.#pass('stream', ...args),
          reached: (url, seconds) => this.#remember({ url }, seconds),
        })
      : undefined;
    this.#unannounce = isHttp2(server) ? announceConnect(server) : () => undefined;
    // Newer Node asks before it takes the parser away: what we would give back stays an ordinary request from the start.
    this.#unask = decideUpgrades(server, (req, ask) => {
      const isPlain = isPlainHandshake(req);
      if (!this.hasOthers()) return isPlain;
      const { reach } = this.#destinationOf(req, true);
      if (reach === 'no' || reach === 'hidden') return ask();
      return isPlain || (reach === 'maybe' && ask());
    });
    this.tend();
    server.emit = this.#emit as Server['emit'];
  }

  bind(target: UpgradeTarget, binding: Binding): void {
    this.#bindings.set(target, binding);
    this.tend();
  }

  unbind(target: UpgradeTarget): void {
    this.#bindings.delete(target);
  }

  /** An ordinary request for this URL has reached a tunnel that is hidden in the app: from now on its path is known. */
  learn(url: string, handshakeTimeout: number): void {
    this.#remember({ url }, handshakeTimeout);
    this.tend();
  }

  /** Does anything listen for the server's upgrades, so that Node recognises them? */
  isListening(): boolean {
    return this.#server.listenerCount('upgrade') > 0;
  }

  /** Does anything but us listen for upgrades? */
  hasOthers(): boolean {
    return this.#server.listeners('upgrade').some((listener) => listener !== this.#marker);
  }

  /** `hasAutomatic`: there are open tunnels that attach by themselves, and any of them may be hidden in this server's app. */
  isNeeded(hasAutomatic: boolean): boolean {
    if (this.#bindings.list().length > 0) return true;
    const { targets, isWrapped, isHidden } = lookInside(this.#server.listeners('request'));
    if ([...targets.keys()].some((target) => target.isAutomatic())) return true;
    return hasAutomatic && (isWrapped || isHidden || this.#reached.size > 0);
  }

  /** Puts our listener where Node needs one: not among those of a server that is not known to lead to a tunnel. */
  tend(sight?: Sight): void {
    const server = this.#server;
    const isThere = server.listeners('upgrade').includes(this.#marker);
    const isWanted = !this.hasOthers() || this.#isKnown(sight);
    if (isWanted && !isThere) server.on('upgrade', this.#marker);
    if (!isWanted && isThere) server.off('upgrade', this.#marker);
  }

  close(): void {
    const server = this.#server;
    this.#unask();
    this.#unannounce();
    this.#connections.close();
    server.off('upgrade', this.#marker);
    // Another wrapper may enclose ours: then ours stays below it, and without the marker no upgrade comes to it.
    if (server.emit !== this.#emit) return;
    if (this.#hadEmit) server.emit = this.#emitBefore as Server['emit'];
    else Reflect.deleteProperty(server, 'emit');
  }

  /** Apps that are mounted within the app are asked for only where other listeners would get the upgrade of a tunnel without a home. */
  #look(listeners: readonly unknown[], path: string, others: boolean): Sight {
    const sight = lookInside(listeners, path);
    const isDoubtful = sight.isHidden && others && suspectsOf(path).some((target) => target.isMounted());
    return isDoubtful ? lookInside(listeners, path, true) : sight;
  }

  /** engine.io hides the app, and has no claim to this upgrade: a tunnel that is mounted in an app is tried there. */
  #behindWrapper(path: string): Destination | undefined {
    if (!isEngineIoAlone(this.#server, (listener) => listener === this.#marker)) return undefined;
    const times = suspectsOf(path)
      .filter((target) => target.isMounted())
      .map(({ handshakeTimeout }) => handshakeTimeout);
    // A tunnel that was reached through this server by another path.
    times.push(...this.#reached.values());
    return times.length === 0 ? undefined : { reach: 'maybe', handshakeTimeout: Math.max(...times) };
  }

  /** `sight`: what a look at the app has just found. */
  #isKnown(sight?: Sight): boolean {
    if (this.#bindings.list().length > 0 || this.#reached.size > 0) return true;
    const { targets, isWrapped } = sight ?? lookInside(this.#server.listeners('request'));
    return isWrapped || targets.size > 0;
  }

  #remember(req: Pick<Asked, 'url'>, handshakeTimeout: number): void {
    const path = pathOf(req);
    if (path === undefined) return;
    this.#reached.delete(path);
    this.#reached.set(path, handshakeTimeout);
    const [oldest] = this.#reached.keys();
    if (this.#reached.size > MAX_PATHS && oldest !== undefined) this.#reached.delete(oldest);
  }

  readonly #emit: Emit = (event, ...args) => {
    if (event === 'stream' && this.#streams)
      return this.#streams(args as ServerStreamEvent) || this.#pass(event, ...args);
    if (event !== 'upgrade') return this.#pass(event, ...args);
    const [req, socket, head] = args as [IncomingMessage, Duplex, Buffer];
    return this.#dispatch(req, socket, head);
  };

  #pass(event: string | symbol, ...args: unknown[]): boolean {
    // A tracing tool may have replaced the method of the class since.
    const emit = this.#hadEmit
      ? this.#emitBefore
      : (Object.getPrototypeOf(this.#server) as { emit: Emit }).emit;
    return Reflect.apply(emit, this.#server, [event, ...args]);
  }

  #dispatch(req: IncomingMessage, socket: Duplex, head: Buffer): boolean {
    const server = this.#server;
    const others = this.hasOthers();
    const { reach, handshakeTimeout, target, isInSight } = this.#destinationOf(req, others);
    const isKnown = reach === 'maybe' || reach === 'yes';
    const giveToOthers = (bytes: Buffer) => this.#pass('upgrade', req, socket, bytes);
    if (others && !isKnown) {
      if (asksForWebSocket(req)) reportMiss(req);
      return giveToOthers(head);
    }
    if (!isPlainHandshake(req)) {
      // With others there, only a bad handshake with one of our tunnels is ours.
      if (others && reach === 'maybe') return giveToOthers(head);
      handleAsOrdinary(server, req, socket, head);
      return true;
    }
    // Within a mount, Express cuts the request's own.
    const { url = '/' } = req;
    const place = admit(target, req, socket);
    if (!place) return true;
    const upgrade = new UpgradeThroughApp({
      ...{ server, req, socket, head, place },
      onReached: (seconds) => {
        if (!isInSight) this.#remember({ url }, seconds);
      },
    });
    if (!isKnown) upgrade.startAsOrdinary(this.#connections);
    else if (others && reach === 'maybe') upgrade.startAsTrial(handshakeTimeout, giveToOthers);
    else upgrade.start(handshakeTimeout);
    return true;
  }

  /** `others`: does anything else listen for it? */
  #destinationOf(req: Asked, others: boolean): Destination {
    const path = pathOf(req);
    if (path === undefined || !asksForWebSocket(req)) return { reach: 'no', handshakeTimeout: 0 };
    const listeners = this.#server.listeners('request');
    const { targets, isWrapped, isHidden } = this.#look(listeners, path, others);
    const found: Destination[] = [...targets]
      .filter(([target]) => target.isAutomatic() && !this.#bindings.get(target))
      .map(([target, reach]) => ({ reach, handshakeTimeout: target.handshakeTimeout, target }));
    for (const [target, binding] of this.#bindings.list()) {
      const reach =
        reachOfBinding(binding, path, listeners) ?? furthest([targets.get(target) ?? 'no', 'maybe']);
      found.push({ reach, handshakeTimeout: target.handshakeTimeout, target });
    }
    const learnt = this.#reached.get(path);
    // What the tunnel's rules make of the next request on this path is not known.
    if (learnt !== undefined) found.push({ reach: 'maybe', handshakeTimeout: learnt });
    if (isWrapped) found.push({ reach: 'maybe', handshakeTimeout: UNKNOWN_TIMEOUT });
    if (isHidden) found.push(this.#behindWrapper(path) ?? { reach: 'hidden', handshakeTimeout: 0 });
    const possible = found.filter(({ reach }) => reach !== 'no');
    const reach = furthest(possible.map((one) => one.reach));
    return {
      // engine.io's own, which tolerates no other answer.
      reach: reach === 'maybe' && isForEngineIo(req) ? 'no' : reach,
      // Which of the tunnels the request will reach is not known yet.
      handshakeTimeout: Math.max(0, ...possible.map((one) => one.handshakeTimeout)),
      target: this.#countingTarget(possible, others),
      isInSight: possible.some((one) => one.target !== undefined),
    };
  }

  /** Of several tunnels the one that was bound last: the command binds a new one where it has read new settings. */
  #countingTarget(possible: readonly Destination[], others: boolean): UpgradeTarget | undefined {
    const last = (wanted: Reach) =>
      possible.findLast(({ reach, target }) => target && reach === wanted)?.target;
    return last('yes') ?? (others ? undefined : last('maybe'));
  }
}

/** Undefined where the tunnel was bound without paths. */
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

type UpgradeDecision = (req: IncomingMessage) => boolean;

/** Sets `shouldUpgradeCallback` (Node >= 22.21 and >= 24.9) and returns what sets it back. */
function decideUpgrades(
  server: Server & { shouldUpgradeCallback?: UpgradeDecision },
  decide: (req: IncomingMessage, ask: () => boolean) => boolean,
): () => void {
  const { shouldUpgradeCallback: own } = server;
  const before = own ?? missingDecision(server);
  if (before === undefined) return () => undefined;
  const callback: UpgradeDecision = (req) => decide(req, () => Reflect.apply(before, server, [req]));
  server.shouldUpgradeCallback = callback;
  return () => {
    if (server.shouldUpgradeCallback !== callback) return;
    if (own) server.shouldUpgradeCallback = own;
    else Reflect.deleteProperty(server, 'shouldUpgradeCallback');
  };
}

/**
 * Node 22.21.0 asks every server, and gave its http2 servers nothing to ask: the first upgrade over HTTP/1.1 on one of them
 * would end the process. Node 22.21.1 mended it in the same way.
 */
function missingDecision(server: Server): UpgradeDecision | undefined {
  if (!isHttp2(server) || !('shouldUpgradeCallback' in new HttpServer())) return undefined;
  return () => server.listenerCount('upgrade') > 0;
}

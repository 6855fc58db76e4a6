import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { handlersOf, MAX_DEPTH, MAX_LAYERS, restBehind, stackOf, type Layer } from './find-tunnels.js';
import { isMountedApp, knownMountedApp } from '../../internals/mounted-app.js';
import { targetOf, type UpgradeTarget } from '../attachable-tunnel.js';

/** The parameters by which Express and Connect know a handler of errors. */
const ERROR_HANDLER = 4;

/** Not text/html: a browser shows it, and nothing of the request is in it. */
const SENTENCE = 'This path is a WebSocket tunnel: open it from a page or a program that speaks WebSocket.\n';

/** In the place of each part of a path: what no request can have, and a word for patterns that take words alone. */
const STAND_INS = ['\0', 'wstunnel0nowhere'];

/**
 * Is the tunnel the last handler of the app that a GET of this URL gets to? Then nothing but the app's own "Cannot GET" would
 * answer. False wherever that can't be seen: a static folder or a page that is mounted after the tunnel keeps its requests.
 * False as well for a tunnel that takes any path of this form (`app.use(tunnel)`, `app.use('/:id', tunnel)`): it takes every
 * mistyped page, for which 404 is right.
 */
export function isLastInApp(req: IncomingMessage, target: UpgradeTarget): boolean {
  const { server } = req.socket as { server?: Server };
  const [listener, ...others] = server?.listeners('request') ?? [];
  if (listener === undefined || others.length > 0 || req.httpVersionMajor !== 1) return false;
  const path = pathWithoutQuery(req);
  const walk = walkTo(target, listener, path);
  if (!walk.isFound || walk.isInDoubt) return false;
  const form = path === '/' ? '/x' : path;
  return STAND_INS.every((part) => {
    const other = walkTo(target, listener, form.replace(/[^/]+/g, part));
    return !other.isFound && !other.isInDoubt;
  });
}

function walkTo(target: UpgradeTarget, listener: unknown, path: string): Walk {
  const walk = new Walk(target);
  walk.through(listener, path, 0);
  return walk;
}

/** A plain GET of a tunnel's path (RFC 9110 section 15.5.22). Nobody asked for a tunnel, so it is no refusal of one. */
export function sayWhatItIs(res: ServerResponse): void {
  res.statusCode = 426;
  // RFC 9110 section 7.8: with `Upgrade`, `Connection` has to name it. Node takes a value without `close` for keep-alive, also
  // where the client asked for the end of the connection.
  res.setHeader('Upgrade', 'websocket');
  res.setHeader('Connection', 'Upgrade, close');
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.setHeader('Cache-Control', 'no-store');
  res.setHeader('Content-Length', Buffer.byteLength(SENTENCE));
  res.end(SENTENCE);
}

/** The way of a GET through the app, in the app's order. */
class Walk {
  isFound = false;
  isInDoubt = false;
  readonly #target: UpgradeTarget;
  #layers = 0;

  constructor(target: UpgradeTarget) {
    this.#target = target;
  }

  through(handler: unknown, path: string, depth: number): void {
    const target = targetOf(handler);
    if (target) {
      if (target.takes(path) === 'no') return;
      if (target === this.#target) this.isFound = true;
      else if (this.isFound) this.isInDoubt = true;
      return;
    }
    // An app is itself a function such as Express and Connect put around an app that is mounted.
    const stack = stackOf(handler) ?? (isMountedApp(handler) ? stackOf(knownMountedApp(handler)) : undefined);
    if (stack) this.#throughAll(stack, path, depth);
    else if (this.isFound && !isErrorHandler(handler)) this.isInDoubt = true;
  }

  #throughAll(stack: readonly Layer[], path: string, depth: number): void {
    for (const layer of stack) {
      if (this.isInDoubt) return;
      if (depth >= MAX_DEPTH || ++this.#layers > MAX_LAYERS) {
        this.isInDoubt = true;
        return;
      }
      const rest = restBehind(layer, path);
      if (rest === undefined) continue;
      for (const handler of handlersOf(layer)) this.through(handler, rest, depth + 1);
    }
  }
}

function isErrorHandler(handler: unknown): boolean {
  return typeof handler === 'function' && (handler as RequestListener).length === ERROR_HANDLER;
}

/** As the server's listener got it: routers strip their mount path from `url`. */
function pathWithoutQuery(req: IncomingMessage): string {
  const { originalUrl = req.url ?? '/' } = req as { originalUrl?: string };
  return originalUrl.replace(/[?#].*$/s, '');
}

import type { IncomingMessage, RequestListener, Server } from 'node:http';
import { handlersOf, pathAfter, stackOf, type Layer } from '../../internals/express.js';
import { isMountedApp, knownMountedApp } from '../../internals/mounted-app.js';
import { serverOf } from '../../internals/node-net.js';
import { tunnelOfHandler, type AttachableTunnel } from '../attachable-tunnel.js';
import { MAX_APP_DEPTH, MAX_APP_LAYERS } from './find-tunnels.js';

/** The number of parameters by which Express and Connect recognise an error handler. */
const ERROR_HANDLER = 4;

/** Replacements for each segment of a path: a text that no request can have, and a word for patterns that match only words. */
const STAND_INS = ['\0', 'wstunnel0nowhere'];

/**
 * Is the tunnel the last handler of the app that a GET of this URL reaches? If so, the only other answer would be the app's
 * "Cannot GET". False if the app cannot be read: a static folder or a page mounted after the tunnel keeps its requests. Also
 * false for a tunnel that takes all paths of this form (`app.use(tunnel)`, `app.use('/:id', tunnel)`): every mistyped page
 * reaches such a tunnel, and 404 is the right answer.
 */
export function isLastHandler(req: IncomingMessage, tunnel: AttachableTunnel): boolean {
  const server = serverOf(req.socket) as Server | undefined;
  const [listener, ...others] = server?.listeners('request') ?? [];
  if (listener === undefined || others.length > 0 || req.httpVersionMajor !== 1) return false;
  const path = pathWithoutQuery(req);
  const walk = walkTo(tunnel, listener, path);
  if (!walk.isFound || walk.isInDoubt) return false;
  const form = path === '/' ? '/x' : path;
  return STAND_INS.every((segment) => {
    const other = walkTo(tunnel, listener, form.replace(/[^/]+/g, segment));
    return !other.isFound && !other.isInDoubt;
  });
}

function walkTo(tunnel: AttachableTunnel, listener: unknown, path: string): Walk {
  const walk = new Walk(tunnel);
  walk.handler(listener, path, 0);
  return walk;
}

/** Follows a GET through the app, in the app's order. */
class Walk {
  isFound = false;
  /** A handler after the tunnel may answer, or a part of the app cannot be read. */
  isInDoubt = false;
  readonly #tunnel: AttachableTunnel;
  #layers = 0;

  constructor(tunnel: AttachableTunnel) {
    this.#tunnel = tunnel;
  }

  handler(handler: unknown, path: string, depth: number): void {
    const tunnel = tunnelOfHandler(handler);
    if (tunnel) {
      if (tunnel.takes(path) === 'no') return;
      if (tunnel === this.#tunnel) this.isFound = true;
      else if (this.isFound) this.isInDoubt = true;
      return;
    }
    // Apps match `isMountedApp` as well, so the stack of an app is read first.
    const stack = stackOf(handler) ?? (isMountedApp(handler) ? stackOf(knownMountedApp(handler)) : undefined);
    if (stack) this.#stack(stack, path, depth);
    else if (this.isFound && !isErrorHandler(handler)) this.isInDoubt = true;
  }

  #stack(stack: readonly Layer[], path: string, depth: number): void {
    for (const layer of stack) {
      if (this.isInDoubt) return;
      if (depth >= MAX_APP_DEPTH || ++this.#layers > MAX_APP_LAYERS) {
        this.isInDoubt = true;
        return;
      }
      const rest = pathAfter(layer, path);
      if (rest === undefined) continue;
      for (const handler of handlersOf(layer)) this.handler(handler, rest, depth + 1);
    }
  }
}

function isErrorHandler(handler: unknown): boolean {
  return typeof handler === 'function' && (handler as RequestListener).length === ERROR_HANDLER;
}

/** The path as the server's listener received it: routers remove their mount path from `url`. */
function pathWithoutQuery(req: IncomingMessage): string {
  const { originalUrl = req.url ?? '/' } = req as { originalUrl?: string };
  return originalUrl.replace(/[?#].*$/s, '');
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { noteTunnelOfRequest } from '../observe/per-request.js';
import type { Settings } from '../options/settings.js';
import { pathOf } from '../request/path.js';
import type { Next } from '../types.js';
import { isLastHandler } from '../upgrade/app/last-handler.js';
import { checkOf } from '../upgrade/check/check-on-request.js';
import { asksForWebSocket, hasHandshakeHeader } from '../upgrade/opening-handshake.js';
import { respondUpgradeRequired } from '../upgrade/refusal-response.js';
import type { TunnelContext } from './context.js';
import { answerCheck } from './login/answer-check.js';
import { openTunnel } from './open.js';
import { match } from './route.js';
import type { TunnelServers } from './servers.js';

/** The parts of a tunnel object that its middleware needs. */
export interface TunnelParts<Req extends IncomingMessage> {
  readonly settings: Settings<Req>;
  readonly context: TunnelContext;
  readonly servers: TunnelServers<Req>;
  /** A login check must reach a tunnel object with the same owner. */
  readonly owner: unknown;
  /** Has the tunnel object a state of its own? */
  readonly isAlone: boolean;
}

/** Opens a tunnel for each request that belongs to the tunnel object; other requests go to `next`. */
export class Middleware<Req extends IncomingMessage> {
  readonly #parts: TunnelParts<Req>;
  /** A request in the event-loop turn that created the tunnel object means that a request handler created the object. */
  #isNew = true;

  constructor(parts: TunnelParts<Req>) {
    this.#parts = parts;
    setImmediate(() => (this.#isNew = false)).unref();
  }

  handle(req: Req, res: ServerResponse, next: Next): void {
    const { settings, context, servers, owner, isAlone } = this.#parts;
    const path = asksForWebSocket(req) ? pathOf(req) : undefined;
    const matched = context.log.isOn?.('debug') === true ? [] : undefined;
    const route = path === undefined ? undefined : match(settings, req, path, matched);
    if (route) {
      servers.located();
      // A tunnel object with a shared state is made by a reload, perhaps in the event-loop turn of a request.
      if (this.#isNew && isAlone) noteTunnelOfRequest();
    }
    const check = route && checkOf(req);
    if (check) void answerCheck(owner, route, req, check);
    else if (route) void openTunnel(context, route, req, res, next);
    else if (this.#isForNobodyElse(req)) respondUpgradeRequired(res);
    else next();
  }

  /** A plain GET of the tunnel's path that the app would answer with "Cannot GET"; false if that is uncertain. */
  #isForNobodyElse(req: Req): boolean {
    if (req.method !== 'GET' || hasHandshakeHeader(req)) return false;
    const { settings, servers } = this.#parts;
    const path = pathOf(req);
    const route = path === undefined ? undefined : match(settings, req, path);
    // `isLastHandler` runs last: the function walks the whole app, and most requests do not belong to the tunnel.
    return route !== undefined && route.failure === undefined && isLastHandler(req, servers.attachable);
  }
}

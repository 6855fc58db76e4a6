import type { IncomingMessage, ServerResponse } from 'node:http';
import { originalPathOf, pathOf, queryOf } from '../request/path.js';
import type { Next } from '../types.js';
import type { AdminReport } from './admin-report.js';
import { endByRequest, type EndTunnels } from './end-request.js';
import type { EventStreams } from './event-streams.js';
import { HttpError } from './http-error.js';
import type { PageFile } from './page-files.js';
import { readQuery, type AdminQuery } from './query.js';
import { isAnswered, prepare, send, sendError, sendJson } from './respond.js';

/** The parts of the router. */
export interface AdminParts {
  readonly report: AdminReport;
  readonly streams: EventStreams;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly end: EndTunnels;
  /** Called with errors of this package: the client gets a 500 without details. */
  failed(error: unknown): void;
}

type Route = (req: IncomingMessage, res: ServerResponse) => void | Promise<void>;

const READ = ['GET', 'HEAD'];

/** The page, its data and `POST /end`, below the path of the mount. Other paths go to `next`. */
export class AdminRouter {
  readonly #parts: AdminParts;

  constructor(parts: AdminParts) {
    this.#parts = parts;
  }

  handle(req: IncomingMessage, res: ServerResponse, next: Next): void {
    const path = pathOf(req) ?? '';
    const found = this.#routeOf(path);
    if (!found || isAnswered(res)) {
      next();
      return;
    }
    void this.#answer(req, res, found);
  }

  #routeOf(path: string): { readonly methods: readonly string[]; readonly route: Route } | undefined {
    switch (path) {
      case '/state':
        return { methods: READ, route: (req, res) => this.#state(req, res) };
      case '/events':
        return { methods: READ, route: (req, res) => this.#events(req, res) };
      case '/end':
        return { methods: ['POST'], route: (req, res) => this.#end(req, res) };
      case '/':
        return { methods: READ, route: (req, res) => this.#page(req, res) };
      default: {
        const file = this.#parts.files.get(path);
        return file && { methods: READ, route: (req, res) => sendFile(req, res, file) };
      }
    }
  }

  /** Never rejects: an error of the router must not reach the app. */
  async #answer(
    req: IncomingMessage,
    res: ServerResponse,
    { methods, route }: { readonly methods: readonly string[]; readonly route: Route },
  ): Promise<void> {
    try {
      if (!methods.includes(req.method ?? ''))
        throw new HttpError(405, `use ${methods.join(' or ')}`, { Allow: methods.join(', ') });
      await route(req, res);
    } catch (error) {
      try {
        if (!(error instanceof HttpError)) this.#parts.failed(error);
        sendError(req, res, error instanceof HttpError ? error : new HttpError(500, 'internal error'));
      } catch {
        // The app's response object throws: nothing can be sent.
      }
    }
  }

  #page(req: IncomingMessage, res: ServerResponse): void {
    const target = withSlash(req);
    if (target !== undefined) {
      send(req, res, 302, '', { Location: target, 'Cache-Control': 'no-store' });
      return;
    }
    const file = this.#parts.files.get('/');
    if (!file)
      throw new HttpError(
        500,
        'the files of the page are missing: exclude express-wstunnel from the bundle of the app',
      );
    sendFile(req, res, file);
  }

  async #state(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { report } = this.#parts;
    const query = queryFrom(req);
    await report.ready(query);
    sendJson(req, res, 200, report.text(query));
  }

  async #events(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { report, streams } = this.#parts;
    const query = queryFrom(req);
    if (req.method === 'HEAD') {
      prepare(res, 200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' });
      res.end();
      return;
    }
    const stream = streams.add(res, () => report.text(query));
    await report.ready(query);
    stream.sendEvent();
  }

  async #end(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const result = await endByRequest(req, this.#parts.end);
    sendJson(req, res, 200, JSON.stringify(result));
  }
}

function queryFrom(req: IncomingMessage): AdminQuery {
  try {
    return readQuery(queryOf(req));
  } catch (error) {
    throw new HttpError(400, (error as Error).message);
  }
}

function sendFile(req: IncomingMessage, res: ServerResponse, { type, body, etag }: PageFile): void {
  const headers = { 'Cache-Control': 'no-cache', ETag: etag };
  if (isAnswered(res)) return;
  if (req.headers['if-none-match'] === etag) {
    prepare(res, 304, headers);
    res.end();
  } else send(req, res, 200, body, { 'Content-Type': type, ...headers });
}

/**
 * The target of a redirect, if the path of the mount has no `/` at the end: the links of the page are relative. The target is also
 * relative, because a proxy may have changed the path, and a path that begins with `//` would lead to another host.
 */
function withSlash(req: IncomingMessage): string | undefined {
  const original = originalPathOf(req);
  if (original === undefined || original.endsWith('/')) return undefined;
  const name = original.slice(original.lastIndexOf('/') + 1);
  const query = queryOf(req);
  const target = `./${name}/${query === '' ? '' : `?${query}`}`;
  return target.replace(/[^\x21-\x7e]/g, encodeURIComponent);
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { resolve } from 'node:path';
import { defaultAddress, normalizeAddress } from '../../../request/client-address.js';
import { pathOf } from '../../../request/path.js';
import type { PageSettings, Pages } from '../../../lighttpd/directives/page-directives.js';
import type { Next } from '../../../types.js';

type Handler = (req: IncomingMessage, res: ServerResponse, next: Next) => void;

/** Makes a handler that serves a folder with these index files. */
type Serve = (folder: string, index: readonly string[]) => Handler;

/** Answers 403 to requests, upgrades included, if `url.access-deny` or `url.access-allow` refuses the path. Must run first. */
export function refuseByAccess(pages: Pages): Handler {
  return (req, res, next) => {
    const path = pathOf(req);
    if (path === undefined || pages.isAllowed(settingsFor(pages, req, path), path)) next();
    else refuse(res);
  };
}

/** Serves files as the configuration says: document root, index files and excluded files may depend on the request. */
export function serveByConf(pages: Pages, serve: Serve): Handler {
  const handlers = new Map<string, Handler>();
  const handlerFor = (folder: string, index: readonly string[]): Handler => {
    const key = JSON.stringify([folder, index]);
    const handler = handlers.get(key) ?? serve(folder, index);
    handlers.set(key, handler);
    return handler;
  };
  return (req, res, next) => {
    const path = pathOf(req);
    const settings = path === undefined ? {} : settingsFor(pages, req, path);
    const { documentRoot = '', indexFiles = [] } = settings;
    if (path === undefined || documentRoot === '') next();
    else if (!pages.isServed(settings, path)) refuse(res);
    else {
      // A file that is excluded under its own name is not served as an index file either.
      const index = indexFiles.filter((name) => {
        const file = `${path.replace(/[^/]*$/, '')}${name}`;
        return pages.isServed(settings, file) && pages.isAllowed(settings, file);
      });
      handlerFor(resolve(documentRoot), index)(req, res, next);
    }
  };
}

function settingsFor(pages: Pages, req: IncomingMessage, path: string): PageSettings {
  return pages.settingsOf({ req, path, address: () => normalizeAddress(defaultAddress(req) ?? '') });
}

function refuse(res: ServerResponse): void {
  res.statusCode = 403;
  res.setHeader('Content-Type', 'text/plain; charset=utf-8');
  res.end('Forbidden.\n');
}

import type { IncomingMessage } from 'node:http';
import parseurl from 'parseurl';

/**
 * The path of `req.url`, within the mount, undecoded and without query; undefined if there is no path.
 *
 * Uses the parser of Express and Connect. With another parser, a target in absolute form or with odd characters could be read
 * differently, and bypass a login mounted on the path.
 */
export function pathOf(req: Pick<IncomingMessage, 'url'>): string | undefined {
  return pathBy(parseurl, req as IncomingMessage);
}

/** The path of the whole URL, as the client sent it; undefined if there is no path. */
export function originalPathOf(req: IncomingMessage): string | undefined {
  return pathBy(parseurl.original, req);
}

/** The query of `req.url` without `?`, by the same parser: as in Express, text after a `#` does not belong to the query. */
export function queryOf(req: Pick<IncomingMessage, 'url'>): string {
  try {
    const query: unknown = parseurl(req as IncomingMessage)?.query;
    return typeof query === 'string' ? query : '';
  } catch {
    return '';
  }
}

function pathBy(parse: typeof parseurl.original, req: IncomingMessage): string | undefined {
  try {
    return parse(req)?.pathname ?? undefined;
  } catch {
    // Node's parser throws for an invalid URL, and no route of Express matches such a URL.
    return undefined;
  }
}

import type { IncomingMessage } from 'node:http';
import parseurl from 'parseurl';

/**
 * The path of `req.url`, within the mount, undecoded and without query; undefined where there is none.
 *
 * Uses the parser of Express and Connect: if we read a target in absolute form, or one with odd characters, differently, it
 * would bypass a login that is mounted on its path.
 */
export function pathOf(req: Pick<IncomingMessage, 'url'>): string | undefined {
  return pathBy(parseurl, req as IncomingMessage);
}

/** The same of the whole URL, as the client sent it. */
export function originalPathOf(req: IncomingMessage): string | undefined {
  return pathBy(parseurl.original, req);
}

/** The query of `req.url` without `?`, by the same parser: text after a `#` does not belong to it, in Express either. */
export function queryOf(req: IncomingMessage): string {
  try {
    const query: unknown = parseurl(req)?.query;
    return typeof query === 'string' ? query : '';
  } catch {
    return '';
  }
}

function pathBy(parse: typeof parseurl.original, req: IncomingMessage): string | undefined {
  try {
    return parse(req)?.pathname ?? undefined;
  } catch {
    // Node's parser throws for an invalid URL, which no route of Express matches.
    return undefined;
  }
}

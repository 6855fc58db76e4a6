import type { IncomingMessage } from 'node:http';
import parseurl from 'parseurl';

/**
 * The path of `req.url`, within the mount, undecoded and without query; undefined where there is none.
 *
 * Read by what Express and Connect read it with: a target in absolute form, or one with odd characters, that we read
 * otherwise would lead past a login that is mounted on its path.
 */
export function pathOf(req: Pick<IncomingMessage, 'url'>): string | undefined {
  return pathBy(parseurl, req as IncomingMessage);
}

/** The same of the whole URL, as it came. */
export function originalPathOf(req: IncomingMessage): string | undefined {
  return pathBy(parseurl.original, req);
}

/** The query of `req.url` without its `?`, by the same reading: what stands behind a `#` is none, to Express as to us. */
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
    // Node's parser throws where it finds no URL; so Express's router matches nothing.
    return undefined;
  }
}

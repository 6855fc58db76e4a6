import type { UrlPattern } from './types.js';

/** Does a request's path fall under a `url` option? */
export type UrlMatcher = (path: string) => boolean;

/** A RegExp is tested as lighttpd's `=~`; a string is a path prefix that ends on a segment boundary. */
export function compileUrl(patterns: readonly UrlPattern[]): UrlMatcher {
  const tests = patterns.map((pattern) => {
    if (typeof pattern !== 'string') return (path: string) => pattern.test(path);
    const prefix = pattern.replace(/\/+$/, '');
    return (path: string) => path === prefix || path.startsWith(`${prefix}/`);
  });
  return (path) => tests.some((test) => test(path));
}

// Express and Connect read a target that is in absolute form (RFC 9112 section 3.2.2) or holds `#` with the old
// `url.parse`, which ends a host at the first odd character and rewrites the path: `http://a;b/vnc` is `;b/vnc` to them.
// A path that we read otherwise would lead past a login that is mounted on it.
const ABSOLUTE = /^(?:https?|wss?):\/\/(?:[^/\\?#]*@)?(?:[\w.+-]+|\[[\da-f:.]+\])(?::\d*)?((?:[/?#].*)?)$/i;
const REWRITTEN = /["'<>\\^`{|}\s]|^\/\//;

/**
 * The path of a request target, undecoded and without query, as Express sees it; undefined where there is none (`*`) or
 * where it is in doubt.
 */
export function pathOf(target: string): string | undefined {
  const isAbsolute = !target.startsWith('/');
  const path = isAbsolute ? ABSOLUTE.exec(target)?.[1] : target;
  if (path === undefined) return undefined;
  const end = path.search(/[?#]/);
  const found = (end === -1 ? path : path.slice(0, end)) || '/';
  const isParsed = isAbsolute || /[#\s]/.test(target);
  return isParsed && REWRITTEN.test(found) ? undefined : found;
}

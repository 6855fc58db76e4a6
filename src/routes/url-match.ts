import type { UrlPattern } from '../types.js';

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

import type { UrlPattern } from '../types.js';

/** Does the option `url` match a request's path? */
export type UrlMatcher = (path: string) => boolean;

/** A RegExp matches anywhere in the path, as lighttpd's `=~` does; a string is a prefix of whole segments. */
export function compileUrl(patterns: readonly UrlPattern[]): UrlMatcher {
  const tests = patterns.map((pattern) => {
    if (typeof pattern !== 'string') return (path: string) => pattern.test(path);
    const prefix = pattern.replace(/\/+$/, '');
    return (path: string) => path === prefix || path.startsWith(`${prefix}/`);
  });
  return (path) => tests.some((test) => test(path));
}

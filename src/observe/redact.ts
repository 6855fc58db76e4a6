/** A path of the usual characters, without a query and without an authority. */
const HAS_NO_SECRET = /^\/(?!\/)[^?#@]*$/;

/**
 * A URL for logs and events, without secrets: query values (noVNC's `?token=`) and the user and password before an `@` are replaced, also in
 * a URL inside the path. Names of the query stay.
 */
export function redactUrl(url: string): string {
  if (HAS_NO_SECRET.test(url)) return url;
  // Browsers send no fragment. From other clients, a fragment is part of the request target.
  const [target = '', ...rest] = url.split(/[?#]/);
  const shown = target.replace(/\/\/[^/]*@/g, '//***@');
  if (rest.length === 0) return shown;
  const pairs = rest.join('?').split('&').map(redactPair);
  return `${shown}?${pairs.join('&')}`;
}

/** {@link redactUrl} for the URL of an option, where a fragment is a mistake that the message must show. */
export function redactUrlOption(url: string): string {
  const [before = '', ...fragment] = url.split('#');
  if (fragment.length === 0) return redactUrl(url);
  return `${redactUrl(before)}#${fragment.join('') === '' ? '' : '***'}`;
}

/** The mark of a `server` function that reads a secret from the last segment of the path. */
export const HIDE_PATH = Symbol.for('express-wstunnel.hide-path');

/** {@link redactUrl}, without the last segment of the path if the function `server` reads a secret from it. */
export function redactUrlFor(server: unknown, url: string): string {
  const shown = redactUrl(url);
  if (typeof server !== 'function' || !(HIDE_PATH in server)) return shown;
  // A slash at the end is a mistake of the client: the secret is in front of it.
  return shown.replace(/[^/?]+(?=\/*(?:\?|$))/, '***');
}

/** The same for a request before the rules are applied: hides the last segment if one of the functions reads a secret from the path. */
export function urlForAny(servers: readonly unknown[], url: string): string {
  return redactUrlFor(
    servers.find((server) => typeof server === 'function' && HIDE_PATH in server),
    url,
  );
}

function redactPair(pair: string): string {
  const equals = isBase64(pair) ? -1 : pair.indexOf('=');
  if (equals !== -1) return `${pair.slice(0, equals)}=***`;
  // A bare word may be the token itself.
  return pair === '' ? '' : '***';
}

/** A base64 token with padding looks like a name with an empty value. */
function isBase64(pair: string): boolean {
  return pair.length % 4 === 0 && /^[\w+/-]+={1,2}$/.test(pair);
}

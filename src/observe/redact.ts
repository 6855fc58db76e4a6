/**
 * A URL for logs and events. Tokens travel in query values (noVNC's `?token=`) and passwords before an `@`: names stay,
 * values go.
 */
export function redactUrl(url: string): string {
  // A fragment is never sent by browsers, nor cut off from what others send.
  const [target = '', ...rest] = url.split(/[?#]/);
  const shown = target.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/]*@/i, '$1//***@');
  if (rest.length === 0) return shown;
  const pairs = rest.join('?').split('&').map(redactPair);
  return `${shown}?${pairs.join('&')}`;
}

function redactPair(pair: string): string {
  const equals = isBase64(pair) ? -1 : pair.indexOf('=');
  if (equals !== -1) return `${pair.slice(0, equals)}=***`;
  // A bare word may be the token itself.
  return pair === '' ? '' : '***';
}

/** With its padding a token looks like a name without a value. */
function isBase64(pair: string): boolean {
  return pair.length % 4 === 0 && /^[\w+/-]+={1,2}$/.test(pair);
}

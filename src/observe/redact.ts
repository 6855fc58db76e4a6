/**
 * A URL for logs and events. Tokens travel in query values (noVNC's `?token=`) and passwords before an `@`: names stay,
 * values go.
 */
export function redactUrl(url: string): string {
  const [target = '', ...rest] = url.split('?');
  const shown = target.replace(/^([a-z][a-z0-9+.-]*:)?\/\/[^/]*@/i, '$1//***@');
  if (rest.length === 0) return shown;
  const pairs = rest.join('?').split('&').map(redactPair);
  return `${shown}?${pairs.join('&')}`;
}

function redactPair(pair: string): string {
  const equals = pair.indexOf('=');
  if (equals !== -1) return `${pair.slice(0, equals)}=***`;
  // A bare word may be the token itself.
  return pair === '' ? '' : '***';
}

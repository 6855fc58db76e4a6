import { isIP } from 'node:net';

/**
 * The scheme, with slashes and white space as the URL parser skips them; what it takes for the authority (user, password,
 * host, port); and the rest.
 */
const PARTS = /^[\0-\x20]*(?:https?|wss?):[/\\]*([^/?#\\]*)(.*)$/is;

/** A user name of one word, as the host that it is taken for. */
const LABEL = /^[^.:[\]]+$/;

/** What a URL must be that is misread. */
export const MUST_BE_ENCODED =
  'must be percent-encoded in its user and password, and where its path has an "@": "#" is %23, "/" %2F, "?" %3F, "\\" %5C, "@" %40, ":" %3A, "%" %25';

/**
 * Is a part of the user or password of a proxy's URL misread for its host? The parser ends the authority at the first `/`, `?`,
 * `#` or `\`, encoded or not: `http://ann:12#45@proxy` is the port 12 of a host `ann`. A proxy has no path that an `@` could
 * belong to.
 */
export function isProxyMisread(text: string): boolean {
  const [, , rest = ''] = PARTS.exec(text) ?? [];
  return rest.includes('@') || dropsCharacters(text);
}

/**
 * The same for a target. In its path and query an `@` is allowed, so `ws://ann:12/45@desk/vnc` can't be told from a path
 * `/45@desk/vnc` for sure: it counts as misread where a port stands before it, or the host has one label and a
 * colon stands before the `@`. `localhost` and addresses are no user names. A fragment is refused anyway.
 */
export function isTargetMisread(text: string): boolean {
  const [, authority = '', rest = ''] = PARTS.exec(text) ?? [];
  const isCut = (rest.startsWith('\\') && rest.includes('@')) || isBefore(rest, /#/);
  if (isCut || dropsCharacters(text)) return true;
  const [segment = ''] = /^.[^/?#\\]*/s.exec(rest) ?? [];
  const host = authority.replace(/^.*@/s, '').replace(/:\d*$/, '');
  if (!segment.includes('@') || /^localhost$/i.test(host) || isIP(host.replace(/^\[|\]$/g, '')) !== 0)
    return false;
  const isCredential = authority.includes(':') || isBefore(segment, /:/);
  return /:\d*$/.test(authority) || (LABEL.test(host) && isCredential);
}

/** The URL parser leaves these out, of passwords too. */
function dropsCharacters(text: string): boolean {
  return isBefore(text.trim(), /[\t\r\n]/);
}

/** Is there an `@` after one of these characters? A regular expression for both would take the square of the length. */
function isBefore(text: string, character: RegExp): boolean {
  const index = text.search(character);
  return index !== -1 && text.includes('@', index);
}

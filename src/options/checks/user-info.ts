import { isIP } from 'node:net';

/**
 * The parts of a URL as the URL parser reads the text: the scheme, with slashes and white space that the parser skips; the
 * authority (user, password, host, port); and the rest.
 */
const PARTS = /^[\0-\x20]*(?:https?|wss?):[/\\]*([^/?#\\]*)(.*)$/is;

/** A host of one label may be a user name that the parser reads as a host. */
const LABEL = /^[^.:[\]]+$/;

/** The message for a URL whose user or password is misread. */
export const MUST_BE_ENCODED =
  'must be percent-encoded in its user and password, and where its path has an "@": "#" is %23, "/" %2F, "?" %3F, "\\" %5C, "@" %40, ":" %3A, "%" %25';

/**
 * Does the URL parser read a part of the user or password of a proxy's URL as the host? The parser ends the authority at the first
 * `/`, `?`, `#` or `\`: `http://ann:12#45@proxy` is the port 12 of a host `ann`. The URL of a proxy has no path that could contain
 * an `@`.
 */
export function isProxyMisread(text: string): boolean {
  const [, , rest = ''] = PARTS.exec(text) ?? [];
  return rest.includes('@') || dropsCharacters(text);
}

/**
 * The same check for a target. A target's path and query may contain an `@`, so `ws://ann:12/45@desk/vnc` may have a password
 * `12/45` or a path `/45@desk/vnc`. The URL counts as misread if a port comes before the path, or if the host has one label and a
 * colon comes before the `@`. `localhost` and addresses are not user names. A fragment is refused in any case.
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

/** The URL parser drops tabs and newlines, also inside of a password. */
function dropsCharacters(text: string): boolean {
  return isBefore(text.trim(), /[\t\r\n]/);
}

/** Does an `@` come after one of these characters? One regular expression for both would take time quadratic in the length. */
function isBefore(text: string, character: RegExp): boolean {
  const index = text.search(character);
  return index !== -1 && text.includes('@', index);
}

import { fail } from './fail.js';
import { optionError } from './option-error.js';
import type { OptionRef } from './option-path.js';
import { redactUrlOption } from '../../observe/redact.js';
import { isTargetMisread } from './user-info.js';

/**
 * The URL parser resolves dot segments, also encoded and after a backslash: with the client's path `/../../bob`, the text
 * `ws://desk/user/ann` + path would lead to `/bob`.
 */
const HAS_DOT_SEGMENT = /[/\\](\.|%2e){1,2}([/\\]|[\0-\x20]*$)/i;

/** Checks the URL of a backend that speaks WebSocket (RFC 6455 section 3). Messages show no password and no query value. */
export function checkWebSocketUrl(value: unknown, name: OptionRef): void {
  const must = 'must be a ws: or wss: URL';
  if (typeof value !== 'string' && !(value instanceof URL)) fail(name, must, value);
  const text = String(value);
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const hasUser =
    url !== undefined ? url.username !== '' || url.password !== '' : /^[^/?#]*\/\/[^/?#]*@/.test(text);
  if (hasUser || isTargetMisread(text))
    throw optionError(
      name,
      'must have no user and password: give headers: { Authorization: \'Basic ...\' }, and write an "@" in the path as %40',
    );
  if (!url) fail(name, must, shown(text));
  const { protocol } = url;
  if (protocol !== 'ws:' && protocol !== 'wss:') fail(name, must, shown(text), hintFor(url));
  if (url.hash !== '' || text.endsWith('#'))
    fail(
      name,
      'must have no fragment (RFC 6455 section 3)',
      `${shown(text.replace(/#.*$/s, ''))}#${url.hash === '' ? '' : '***'}`,
    );
  if (HAS_DOT_SEGMENT.test(text.replace(/[\t\r\n]|[?#].*$/gs, '')))
    fail(
      name,
      'must have no "." or ".." in its path: the path of a request could leave the path before it',
      shown(text),
    );
  if (url.port === '0') fail(name, 'must have a port from 1 to 65535', shown(text));
}

/** A URL without its query values and its fragment, or nothing of a text whose parts are unknown. */
function shown(text: string): string {
  return text.includes('@') ? '***' : redactUrlOption(text);
}

function hintFor({ protocol, href }: URL): string {
  if (protocol !== 'http:' && protocol !== 'https:') return '';
  return `; did you mean "${shown(href.replace(/^http/, 'ws'))}"?`;
}

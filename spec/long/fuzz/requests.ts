import { Buffer } from 'node:buffer';
import { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http2';
import { Socket } from 'node:net';
import { TunnelError } from '../../../src/errors.js';
import { isOwnPage } from '../../../src/guard/rebinding.js';
import {
  comparisonOf,
  isSameOrigin,
  ownOrigin,
  parseOrigin,
  shownOrigin,
} from '../../../src/guard/origin.js';
import {
  isListed,
  compileAddresses,
  networkOf,
  normalizeAddress,
} from '../../../src/request/client-address.js';
import { originalPathOf, pathOf, queryOf } from '../../../src/request/path.js';
import { isSecure } from '../../../src/request/proxy-trust.js';
import { ticketsOf } from '../../../src/request/ticket.js';
import { TOKEN_PLACES, tokenFault, tokenOf } from '../../../src/tokens/token-place.js';
import {
  asksForWebSocket,
  hasHandshakeHeader,
  isPlainHandshake,
  readHandshake,
} from '../../../src/upgrade/opening-handshake.js';
import { isWebSocketConnect, upgradeRequest } from '../../../src/upgrade/http2/stream-request.js';
import type { StreamSocket } from '../../../src/upgrade/http2/stream-socket.js';
import type { Random } from '../../support/random.js';
import { allow, type Target } from './target.js';

const VALUES: Readonly<Record<string, readonly string[]>> = {
  host: ['127.0.0.1', 'desk.example:8080', '[::1]:80', 'a b', 'x@y', '', '[', 'EXAMPLE.', 'a.b.c.d', '1.2.3'],
  connection: ['Upgrade', 'keep-alive, Upgrade', 'close', 'upgrade,,', ',', 'upgradeX'],
  upgrade: ['websocket', 'h2c', 'websocket, h2c', 'WebSocket', 'web socket', ' websocket'],
  'sec-websocket-version': ['13', '8', '13, 13', '', '013', '1e1'],
  'sec-websocket-key': ['dGhlIHNhbXBsZSBub25jZQ==', 'short', '', 'dGhlIHNhbXBsZSBub25jZR==', '=='.repeat(12)],
  'sec-websocket-protocol': [
    'binary',
    'binary, token.abc',
    'a, a',
    ',,',
    'é',
    'token.',
    'a"b',
    'x'.repeat(500),
  ],
  'sec-websocket-extensions': ['permessage-deflate', 'a; b="c', 'a; b="c,d"', ';', 'x; y=z; y', '"', ',"\\"'],
  origin: [
    'null',
    'http://127.0.0.1',
    'https://[::1]:8',
    'http://[',
    'x',
    'http://a:99999',
    'file://',
    'http://ä',
  ],
  cookie: ['token=abc', 'token=%', 'a=b; token="x"', '=;=', 'token=%ff', ';'.repeat(50), 'token'],
  'content-length': ['0', '5', '-1', '00', ' '],
  'transfer-encoding': ['chunked'],
  expect: ['100-continue'],
  'x-forwarded-for': ['1.2.3.4', '::1, ::2', ',', 'unknown', '1.2.3.4:5', '[::1]:5'],
  'x-forwarded-proto': ['https', 'http, https', '', 'x'],
  'x-forwarded-host': ['a.b', 'a, b', '', '['],
};
const NAMES = Object.keys(VALUES);
const USUAL = NAMES.slice(0, 5);
const URLS = [
  '/tunnel',
  '/tunnel?token=abc',
  '/?ticket=wst_x',
  '//a//b',
  '/%',
  '*',
  '',
  'http://h/p?q',
  '/a/../b',
  '/a?%',
  '/a#b?c',
  '?',
];

function odd(random: Random, text: string): string {
  if (!random.oneIn(6)) return text;
  const at = random.below(text.length + 1);
  const piece = random.oneIn(2)
    ? random.bytes(random.between(1, 3)).toString('latin1')
    : random.pick([',', ';', '"', '\\', ' ', '\t', '%', '=', '\0', '/', '?', 'websocket', ':', '@', ']']);
  return text.slice(0, at) + piece + text.slice(at + random.below(3));
}

/** Headers in Node's two forms, mostly of a valid handshake. */
export function headersOf(random: Random): { headers: Record<string, string>; raw: string[] } {
  const headers: Record<string, string> = {};
  const raw: string[] = [];
  const names = USUAL.filter(() => !random.oneIn(14));
  while (random.oneIn(2)) names.push(random.pick(NAMES));
  for (const name of names) {
    const values = VALUES[name]!;
    const value = odd(random, random.oneIn(4) ? random.pick(values) : values[0]!);
    raw.push(random.oneIn(2) ? name : name.toUpperCase(), value);
    headers[name] = headers[name] === undefined || name === 'host' ? value : `${headers[name]}, ${value}`;
  }
  return { headers, raw };
}

const peer = new Socket();
const LISTED = compileAddresses(['10.0.0.0/8', '::1', 'fe80::/10']);

function requestOf(random: Random): IncomingMessage {
  const req = new IncomingMessage(peer);
  const { headers, raw } = headersOf(random);
  req.method = random.oneIn(20) ? random.pick(['POST', 'HEAD', '', 'get']) : 'GET';
  req.url = odd(random, random.pick(URLS));
  req.httpVersion = random.oneIn(30) ? '1.0' : '1.1';
  req.httpVersionMajor = 1;
  req.httpVersionMinor = req.httpVersion === '1.0' ? 0 : 1;
  req.headers = headers;
  req.rawHeaders = raw;
  return req;
}

/** All code that reads a request before the 101. */
function readAll(random: Random, req: IncomingMessage): void {
  const isAsked = asksForWebSocket(req);
  hasHandshakeHeader(req);
  isPlainHandshake(req);
  try {
    const { subprotocols } = readHandshake(req);
    // RFC 6455 section 4.2.1, with looser expressions than the code under test.
    const { headers } = req;
    if (req.method !== 'GET' || headers.host === undefined || headers['sec-websocket-version'] !== '13')
      throw new Error('an invalid handshake passed');
    if (Buffer.from(headers['sec-websocket-key'] ?? '', 'base64').length !== 16)
      throw new Error('a key of another length passed');
    if (!/upgrade/i.test(headers.connection ?? '') || headers['transfer-encoding'] !== undefined)
      throw new Error('an invalid handshake passed');
    for (const name of subprotocols)
      if (!/^[!-~]+$/.test(name) || /[",;=]/.test(name)) throw new Error(`${name} passed as a subprotocol`);
    if (isAsked && random.oneIn(1000)) req.destroy();
  } catch (error) {
    allow(error, TunnelError);
    if (![400, 426].includes((error as TunnelError).status)) throw error;
  }
  const { origin } = req.headers;
  isSecure(req, true);
  const own = ownOrigin(req);
  const isSame = isSameOrigin(origin, req);
  if (isSame && origin !== undefined && parseOrigin(origin) === undefined)
    throw new Error('an invalid origin passed');
  isOwnPage(origin, req);
  comparisonOf(origin, own);
  if (origin !== undefined && /\p{Cc}/u.test(shownOrigin(origin)))
    throw new Error('control characters are shown');
  pathOf(req);
  originalPathOf(req);
  queryOf(req);
  ticketsOf(req);
  for (const place of TOKEN_PLACES) {
    const token = tokenOf(req, place, 'token');
    if (token !== undefined) tokenFault(token);
  }
  const address = normalizeAddress(req.headers['x-forwarded-for']?.toString() ?? '');
  isListed(address, LISTED, true);
  networkOf(address);
}

export const requests: Target[] = [
  {
    name: 'handshakes: requests as Node parses them, through all that reads a request before the 101',
    share: 240,
    check(random, note) {
      const req = requestOf(random);
      note(`${req.method} ${req.url} ${JSON.stringify(req.rawHeaders)}`);
      readAll(random, req);
    },
  },
  {
    name: "HTTP/2: extended CONNECT in Node's form, and the request made of it",
    share: 80,
    check(random, note) {
      const { headers, raw } = headersOf(random);
      const special = {
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':scheme': 'https',
        ':path': '/a',
        ':authority': 'h',
      };
      const all: Record<string, string> = { ...headers };
      for (const [name, value] of Object.entries(special))
        if (!random.oneIn(12)) all[name] = odd(random, value);
      const flat = [
        ...Object.entries(all).flatMap(([name, value]) => (name.startsWith(':') ? [name, value] : [])),
        ...raw.map((one, at) => (at % 2 === 0 ? one.toLowerCase() : one)),
      ];
      note(JSON.stringify(flat));
      const from = { headers: all as IncomingHttpHeaders, raw: flat };
      isWebSocketConnect(from);
      const req = upgradeRequest(from, peer as unknown as StreamSocket);
      if (req.method !== 'GET' || req.headers.upgrade !== 'websocket') throw new Error('another request');
      const names = req.rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
      for (const name of ['upgrade', 'connection', 'sec-websocket-key', 'transfer-encoding'])
        if (
          names.filter((one) => one === name).length > 1 ||
          (name === 'transfer-encoding' && names.includes(name))
        )
          throw new Error(`a client set ${name}`);
      if (names.some((name) => name.startsWith(':'))) throw new Error('a pseudo header became a header');
      readAll(random, req);
    },
  },
];

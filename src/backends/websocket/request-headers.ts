import { randomBytes } from 'node:crypto';
import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import { TunnelError } from '../../errors.js';
import { elementsOf } from '../../request/header-elements.js';
import { firstOf, isSecure, trustsPeer } from '../../request/proxy-trust.js';
import { withoutSecrets } from '../../request/secret-subprotocols.js';
import type { WebSocketTarget } from './target.js';

/** The opening handshake with a backend, and the offers from which the backend may choose. */
export interface BackendHandshake {
  readonly key: string;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly subprotocols: readonly string[];
  /** The names of the offered extensions. */
  readonly extensions: readonly string[];
}

/**
 * Headers of the client that the backend does not get: those of the connection (RFC 9110 section 7.6.1), of a body, of the handshake
 * (all set below), of the app's login, and of proxies, which a client may have invented. Some servers read "_" in a name as "-".
 */
const NOT_PASSED =
  /^(connection|keep-alive|proxy-.*|te|trailer|transfer-encoding|upgrade|http2-settings|content-length|expect|host|sec-websocket-.*|cookie2?|authorization|forwarded|x-forwarded-.*|x-real-ip)$/;

// RFC 9110 section 5.5, with obs-text.
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;
const FIELD_NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/**
 * The client's handshake, for the backend. `address`: the client's address as determined by the tunnel. `passesExtensions`: the backend
 * gets the client's offer of extensions. The request is built from the parsed headers, without a body and without headers that describe a
 * body.
 */
export function clientHandshake(
  target: WebSocketTarget,
  req: IncomingMessage,
  address: string,
  passesExtensions: boolean,
): BackendHandshake {
  const { headers } = req;
  const subprotocols =
    target.subprotocols ?? withoutSecrets(req, elementsOf(headers['sec-websocket-protocol']));
  const extensions = passesExtensions ? headers['sec-websocket-extensions'] : undefined;
  const hopByHop = new Set(elementsOf(headers.connection).map(normalName));
  const passed = Object.entries(headers).filter(([name]) => {
    const normal = normalName(name);
    return !NOT_PASSED.test(normal) && !hopByHop.has(normal);
  });
  return {
    key: headers['sec-websocket-key'] ?? '',
    path: target.path,
    subprotocols,
    extensions: elementsOf(extensions).map(nameOfExtension),
    headers: written(
      [
        ['Host', headers.host ?? target.authority],
        ...handshakeFields(headers['sec-websocket-key'] ?? '', subprotocols),
        ...(extensions === undefined ? [] : [['Sec-WebSocket-Extensions', extensions] as const]),
        ...forwardedFields(req, address),
        ...passed.flatMap(([name, value]) => [value ?? []].flat().map((one) => [name, one] as const)),
      ],
      target.headers,
    ),
  };
}

/** A handshake of the tunnel itself, as the backend's client. */
export function ownHandshake({
  authority,
  path,
  subprotocols = [],
  headers,
}: WebSocketTarget): BackendHandshake {
  const key = randomBytes(16).toString('base64');
  return {
    ...{ key, path, subprotocols, extensions: [] },
    headers: written([['Host', authority], ...handshakeFields(key, subprotocols)], headers),
  };
}

type Field = readonly [name: string, value: string];

function handshakeFields(key: string, subprotocols: readonly string[]): Field[] {
  return [
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', key],
    ...(subprotocols.length === 0 ? [] : [['Sec-WebSocket-Protocol', subprotocols.join(', ')] as const]),
  ];
}

/** The client's address, scheme and host for the backend: determined by Express's `trust proxy`, never copied from the client's headers. */
function forwardedFields(req: IncomingMessage, address: string): Field[] {
  const trusted = trustsPeer(req);
  const host = (trusted ? firstOf(req.headers['x-forwarded-host']) : undefined) ?? req.headers.host;
  return [
    ...(address === '' ? [] : [['X-Forwarded-For', address] as const]),
    ['X-Forwarded-Proto', isSecure(req, trusted) ? 'https' : 'http'],
    ...(host === undefined ? [] : [['X-Forwarded-Host', host] as const]),
  ];
}

/**
 * The app's own headers replace others of the same name. An object and not a list, since libraries that wrap `http.request`, such as
 * tracers, copy the headers as an object.
 */
function written(fields: readonly Field[], own: WebSocketTarget['headers']): OutgoingHttpHeaders {
  const replaced = new Set(own.map(([name]) => normalName(name)));
  const given = own.filter((pair): pair is Field => pair[1] !== undefined);
  // Without a prototype: a client may send a header named `constructor`.
  const headers = Object.create(null) as Record<string, string | string[]>;
  for (const [name, value] of [...fields.filter(([name]) => !replaced.has(normalName(name))), ...given]) {
    // Node has parsed the request, but the app may have changed its headers.
    if (!FIELD_NAME.test(name) || !FIELD_VALUE.test(value))
      throw new TunnelError(
        'WSTUNNEL_BAD_HANDSHAKE',
        'a header of the request has a character that is not allowed',
      );
    const known = headers[name];
    headers[name] = known === undefined ? value : [known, value].flat();
  }
  return headers;
}

function normalName(name: string): string {
  return name.toLowerCase().replaceAll('_', '-');
}

/** `permessage-deflate; client_max_window_bits` is the extension `permessage-deflate`. */
export function nameOfExtension(element: string): string {
  return element.replace(/[ \t]*;.*$/s, '').toLowerCase();
}

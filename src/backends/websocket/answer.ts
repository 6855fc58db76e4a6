import type { IncomingMessage } from 'node:http';
import { TunnelError } from '../../errors.js';
import { acceptKeyFor } from '../../helpers/accept-key.js';
import { printable } from '../../helpers/printable.js';
import { redactUrl } from '../../observe/redact.js';
import { elementsOf, isExtension } from '../../request/header-elements.js';
import { nameOfExtension, type BackendHandshake } from './request-headers.js';

/** What the backend has chosen in its 101 response. */
export interface BackendAnswer {
  readonly subprotocol: string | undefined;
  /** The value for the client's 101 response. */
  readonly extensions: string | undefined;
}

/** Statuses that tell the client what to do, and say nothing about the backend's health. */
const PASSED: readonly (number | undefined)[] = [401, 403, 404, 409, 429];
const PASSED_HEADERS = ['Retry-After', 'WWW-Authenticate'] as const;

/** Statuses by which a backend, or a proxy in front of the backend, reports that it can't serve at the moment. */
const FAILURES: readonly (number | undefined)[] = [502, 503, 504];

const ACCEPTED_CONNECTION = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;

/**
 * The cause of a refusal: the backend is up, but its answer can't open a tunnel. This is no outage, since another request may succeed.
 * `isFinal`: another host would most likely give the same answer, since the answer is about the request.
 */
export class UnusableAnswer extends Error {
  readonly isFinal: boolean;

  constructor(message: string, isFinal = false) {
    super(message);
    this.isFinal = isFinal;
  }
}

/** Checks a 101 response by RFC 6455 section 4.1. @throws {TunnelError} */
export function checkAnswer(
  { headers, httpVersionMajor, httpVersionMinor }: IncomingMessage,
  { key, subprotocols, extensions: offered }: BackendHandshake,
): BackendAnswer {
  if (httpVersionMajor !== 1 || httpVersionMinor < 1) throw unusable('its 101 response is not HTTP/1.1');
  if (headers.upgrade?.trim().toLowerCase() !== 'websocket')
    throw unusable('its 101 response has no "Upgrade: websocket"');
  if (!ACCEPTED_CONNECTION.test(headers.connection ?? ''))
    throw unusable('its 101 response has no "Connection: Upgrade"');
  if (headers['sec-websocket-accept']?.trim() !== acceptKeyFor(key))
    throw unusable('the Sec-WebSocket-Accept of its 101 response does not match the key');
  const subprotocol = headers['sec-websocket-protocol'];
  if (subprotocol !== undefined && !subprotocols.includes(subprotocol))
    throw unusable(`its 101 response has the subprotocol "${printable(subprotocol)}", which was not offered`);
  const elements = elementsOf(headers['sec-websocket-extensions']);
  if (!elements.every(isExtension))
    throw unusable('the Sec-WebSocket-Extensions of its 101 response is malformed');
  const unasked = elements.map(nameOfExtension).find((name) => !offered.includes(name));
  if (unasked !== undefined)
    throw unusable(`its 101 response has the extension "${printable(unasked)}", which was not offered`);
  return { subprotocol, extensions: elements.length === 0 ? undefined : elements.join(', ') };
}

/** The refusal for any other answer. The body is not read. */
export function refusalFor(answer: IncomingMessage, passStatus: boolean): TunnelError {
  const { statusCode: status, headers } = answer;
  const line = printable(`${status} ${answer.statusMessage ?? ''}`);
  if (passStatus && status !== undefined && PASSED.includes(status))
    return new TunnelError('WSTUNNEL_BACKEND_ANSWERED', `the backend answered ${line}`, {
      status,
      headers: passedHeaders(headers),
    });
  if (status === 101) return unusable('its 101 response has no Upgrade header');
  if (FAILURES.includes(status)) return refused(new Error(`the backend answered ${line}`));
  const to =
    headers.location === undefined ? '' : `, a redirect to ${printable(redactUrl(headers.location))}`;
  const isAboutRequest = status !== undefined && status >= 300 && status < 500;
  return unusable(`it answered ${line}${to}`, isAboutRequest);
}

/** The refusal for a connection that ends or fails before an answer, or that does not speak HTTP. The error's code is kept. */
export function handshakeFailure(error: NodeJS.ErrnoException): TunnelError {
  const { code = '', syscall } = error;
  // Node's "socket hang up". ttyd refuses so, such as for a wrong origin: a client's request must not take the host from others.
  if (code === 'ECONNRESET' && syscall === undefined)
    return unusable('it ended the connection without an answer');
  if (code === 'HPE_HEADER_OVERFLOW') return unusable('the head of its answer is too large');
  if (code.startsWith('HPE_')) return unusable(`it does not answer in HTTP (${printable(error.message)})`);
  const message = `the connection was lost during the WebSocket handshake: ${error.message}`;
  return refused(Object.assign(new Error(message, { cause: error }), code !== '' && { code }));
}

export function unusable(what: string, isFinal = false): TunnelError {
  return refused(new UnusableAnswer(`the backend can't be used as a WebSocket server: ${what}`, isFinal));
}

function refused(cause: Error): TunnelError {
  return new TunnelError('WSTUNNEL_BACKEND_REFUSED', 'the backend did not open the WebSocket', { cause });
}

function passedHeaders(headers: IncomingMessage['headers']): Record<string, string> {
  const given = PASSED_HEADERS.map((name) => [name, headers[name.toLowerCase()]] as const);
  return Object.fromEntries(
    given.filter((pair): pair is readonly [(typeof pair)[0], string] => typeof pair[1] === 'string'),
  );
}

import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { ClientError } from '../client-error.js';

/** RFC 6455 section 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

const ACCEPTED_UPGRADE = /^[ \t]*websocket[ \t]*$/i;
const ACCEPTED_CONNECTION = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;

/** What the client has asked for. */
export interface SentHandshake {
  readonly key: string;
  readonly subprotocols: readonly string[];
}

/** A 101 by RFC 6455 section 4.1. Returns the subprotocol that the server has chosen; throws {@link ClientError}. */
export function checkUpgradeResponse(
  answer: IncomingMessage,
  { key, subprotocols }: SentHandshake,
): string | undefined {
  const { headers } = answer;
  if (answer.statusCode !== 101) throw wrong(`its status is ${answer.statusCode}`);
  if (answer.httpVersionMajor !== 1 || answer.httpVersionMinor < 1) throw wrong('it is not HTTP/1.1');
  if (!ACCEPTED_UPGRADE.test(headers.upgrade ?? '')) throw wrong('Upgrade is not "websocket"');
  if (!ACCEPTED_CONNECTION.test(headers.connection ?? '')) throw wrong('Connection does not name Upgrade');
  if (headers['sec-websocket-accept']?.trim() !== acceptKeyFor(key))
    throw wrong('Sec-WebSocket-Accept does not belong to our key');
  // None was offered.
  if (headers['sec-websocket-extensions'] !== undefined)
    throw wrong('it agrees to an extension that was not offered');
  const subprotocol = headers['sec-websocket-protocol'];
  if (subprotocol !== undefined && !subprotocols.includes(subprotocol))
    throw wrong('it agrees to a subprotocol that was not offered');
  return subprotocol;
}

export function acceptKeyFor(key: string): string {
  return createHash('sha1').update(`${key}${GUID}`).digest('base64');
}

function wrong(why: string): ClientError {
  return new ClientError('WSTUNNEL_NOT_WEBSOCKET', `the server's answer is no WebSocket handshake: ${why}`);
}

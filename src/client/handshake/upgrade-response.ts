import type { IncomingMessage } from 'node:http';
import { acceptKeyFor } from '../../helpers/accept-key.js';
import { ClientError } from '../client-error.js';

const ACCEPTED_UPGRADE = /^[ \t]*websocket[ \t]*$/i;
const ACCEPTED_CONNECTION = /(^|,)[ \t]*upgrade[ \t]*(,|$)/i;

/** The parts of the client's handshake that the response must match. */
export interface SentHandshake {
  readonly key: string;
  readonly subprotocols: readonly string[];
}

/** Checks a 101 response by RFC 6455 section 4.1. Returns the subprotocol that the server chose; throws {@link ClientError}. */
export function checkUpgradeResponse(
  answer: IncomingMessage,
  { key, subprotocols }: SentHandshake,
): string | undefined {
  const { headers } = answer;
  if (answer.statusCode !== 101) throw invalid(`its status is ${answer.statusCode}`);
  if (answer.httpVersionMajor !== 1 || answer.httpVersionMinor < 1) throw invalid('it is not HTTP/1.1');
  if (!ACCEPTED_UPGRADE.test(headers.upgrade ?? '')) throw invalid('its Upgrade header is not "websocket"');
  if (!ACCEPTED_CONNECTION.test(headers.connection ?? ''))
    throw invalid('its Connection header does not contain "upgrade"');
  if (headers['sec-websocket-accept']?.trim() !== acceptKeyFor(key))
    throw invalid('its Sec-WebSocket-Accept header does not match our key');
  // No extension was offered.
  if (headers['sec-websocket-extensions'] !== undefined)
    throw invalid('it chooses an extension that was not offered');
  const subprotocol = headers['sec-websocket-protocol'];
  if (subprotocol !== undefined && !subprotocols.includes(subprotocol))
    throw invalid('it chooses a subprotocol that was not offered');
  return subprotocol;
}

function invalid(why: string): ClientError {
  return new ClientError(
    'WSTUNNEL_NOT_WEBSOCKET',
    `the server's answer is not a WebSocket handshake: ${why}`,
  );
}

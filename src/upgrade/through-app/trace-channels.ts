import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** The message that Node publishes to tracing tools (https://nodejs.org/api/diagnostics_channel.html#http). */
interface Exchange {
  readonly server: Server;
  readonly socket: Duplex;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

// Node publishes nothing for an upgrade. An upgrade that goes through the app is an ordinary request to the app's tools.
const started = channel('http.server.request.start');
const finished = channel('http.server.response.finish');

export function publishRequestStart(
  server: Server,
  socket: Duplex,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (started.hasSubscribers) started.publish({ server, socket, request, response } satisfies Exchange);
}

export function publishResponseFinish(
  server: Server,
  socket: Duplex,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  if (finished.hasSubscribers) finished.publish({ server, socket, request, response } satisfies Exchange);
}

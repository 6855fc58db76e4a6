import { channel } from 'node:diagnostics_channel';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

/** What Node publishes of a request: tracing tools listen to it. */
interface Exchange {
  readonly server: Server;
  readonly socket: Duplex;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

// Node publishes no upgrade here. One that goes through the app is an ordinary request to everybody in it.
const started = channel('http.server.request.start');
const finished = channel('http.server.response.finish');

export function publishStart(exchange: Exchange): void {
  if (started.hasSubscribers) started.publish(exchange);
}

export function publishFinish(exchange: Exchange): void {
  if (finished.hasSubscribers) finished.publish(exchange);
}

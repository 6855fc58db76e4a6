import type { Http2Server } from 'node:http2';
import { Server as NetServer } from 'node:net';
import { settingsOf } from '../../internals/node-http2.js';

/** Is this a server of node:http2? Such a server emits the events of an http server. */
export function isHttp2Server(server: unknown): server is Http2Server {
  return server instanceof NetServer && typeof (server as Partial<Http2Server>).updateSettings === 'function';
}

/**
 * Announces support for WebSockets (RFC 8441 section 3) at the start of each new connection, unless the server's options
 * contain the setting. Returns a function that ends the announcement.
 */
export function announceConnect(server: Http2Server): () => void {
  if (settingsOf(server)?.enableConnectProtocol !== undefined) return () => undefined;
  server.updateSettings({ enableConnectProtocol: true });
  return () => server.updateSettings({ enableConnectProtocol: false });
}

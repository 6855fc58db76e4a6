import type { Http2Server } from 'node:http2';
import { Server as NetServer } from 'node:net';
import { settingsOf } from '../../internals/node-http2.js';

/** Is this a server of node:http2? It emits the events of an http server. */
export function isHttp2Server(server: unknown): server is Http2Server {
  return server instanceof NetServer && typeof (server as Partial<Http2Server>).updateSettings === 'function';
}

/**
 * Announces to clients that they may ask for a WebSocket (RFC 8441 section 3), at the start of each connection from now on. Where
 * the server's own options decide it, they stay. Returns a function that ends the announcement.
 */
export function announceConnect(server: Http2Server): () => void {
  if (settingsOf(server)?.enableConnectProtocol !== undefined) return () => undefined;
  server.updateSettings({ enableConnectProtocol: true });
  return () => server.updateSettings({ enableConnectProtocol: false });
}

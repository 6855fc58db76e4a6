import type { Http2Server, ServerHttp2Session } from 'node:http2';
import { Server as NetServer } from 'node:net';

/** An http2 server. It has the events of an http server. */
export function isHttp2(server: unknown): server is Http2Server {
  return server instanceof NetServer && typeof (server as Partial<Http2Server>).updateSettings === 'function';
}

type Settings = NonNullable<ServerHttp2Session['localSettings']>;

/**
 * Lets clients know that they may ask for a WebSocket (RFC 8441 section 3): connections from now on begin with it. What the
 * server's own options say of it stays. Returns what sets it back.
 */
export function announceConnect(server: Http2Server): () => void {
  if (settingsOf(server)?.enableConnectProtocol !== undefined) return () => undefined;
  server.updateSettings({ enableConnectProtocol: true });
  return () => server.updateSettings({ enableConnectProtocol: false });
}

function settingsOf(server: Http2Server): Settings | undefined {
  const symbol = Object.getOwnPropertySymbols(server).find(({ description }) => description === 'options');
  const options =
    symbol && (server as unknown as Record<symbol, { settings?: Settings } | undefined>)[symbol];
  return options?.settings;
}

import { createServer, type RequestListener } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { Server, Socket } from 'node:net';

/** A certificate and its private key, in PEM form. */
export interface Certificate {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
}

/** A server for http; with a certificate, a server for https and HTTP/2. */
export function createWebServer(app: RequestListener, tls: Certificate | undefined): Server {
  if (tls === undefined) return createServer(app);
  // Express has no types for HTTP/2. The package passes the requests to the app as HTTP/1.1 requests: see recipes/http2.mjs.
  return createSecureServer({ ...tls, allowHTTP1: true }, app as unknown as () => void);
}

/** Returns a function that closes all connections: HTTP/2 servers of Node 20 lack `closeAllConnections`. */
export function trackConnections(server: Server): () => void {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return () => {
    for (const socket of sockets) socket.destroy();
  };
}

import { connect, createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Certificate } from './certificate.js';
import { RawClient } from './raw-client.js';
import { listen, portOf } from './servers.js';

/** An HTTP proxy whose answers the test writes. */
export interface ProxyDouble {
  readonly url: string;
  readonly port: number;
  /** The heads of the requests so far. */
  readonly asked: readonly string[];
  readonly sockets: ReadonlySet<Socket>;
}

/** Starts the proxy; `serve` answers each request. With `passTo`, the proxy connects every CONNECT to one port. */
export async function startProxyDouble(
  serve: (client: RawClient, head: string) => unknown,
  { tls }: { tls?: Certificate } = {},
): Promise<ProxyDouble> {
  const asked: string[] = [];
  const sockets = new Set<Socket>();
  const take = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
    const client = new RawClient(socket);
    void client.head().then((head) => {
      if (head === undefined) return;
      asked.push(head);
      void serve(client, head);
    });
  };
  const server = tls ? createTlsServer(tls, take) : createServer(take);
  server.on('tlsClientError', () => undefined);
  await listen(server);
  const port = portOf(server);
  return { url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`, port, asked, sockets };
}

/** Answers 200, and passes bytes in both directions to a port on loopback, whatever host the client has named. */
export function passTo(
  port: number,
  answer = 'HTTP/1.1 200 Connection established\r\n\r\n',
): (client: RawClient) => void {
  return ({ socket }) => {
    const upstream = connect(port, '127.0.0.1', () => {
      socket.removeAllListeners('data');
      socket.write(answer);
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on('error', () => socket.destroy());
    upstream.on('close', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  };
}

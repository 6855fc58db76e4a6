import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { ClosedInfo, Tunnel } from '../../src/index.js';
import { descriptors, watchDials, watchTimers } from './leftovers.js';
import { openRaw, type RawClient } from './raw-client.js';
import { startBackend, startTunnel } from './servers.js';
import { until } from './wait.js';

type Options = NonNullable<Parameters<typeof startTunnel>[0]>;

/** An open tunnel, with access to all four sockets. */
export interface OpenFlow {
  readonly tunnel: Tunnel;
  readonly port: number;
  readonly client: RawClient;
  /** The middleware's socket to the client. */
  readonly toClient: Socket;
  /** The middleware's socket to the backend. */
  readonly toBackend: Socket;
  /** The backend's own socket. */
  readonly backend: Socket;
  /** Everything the backend has received. */
  received(): Buffer;
  /** Waits for the tunnel's end: expects one event, no load, and no additional timer or descriptor. */
  over(): Promise<ClosedInfo>;
}

/** Opens one tunnel to a backend that the test controls. All of the tunnel's deadlines are longer than the test's. */
export async function openFlow(
  options: Options = {},
  headers: Record<string, string> = {},
): Promise<OpenFlow> {
  const backend = await startBackend();
  const site = await startTunnel({ server: { port: backend.port }, closeTimeout: 60, ...options });
  const before = descriptors();
  const timers = watchTimers();
  const closes: ClosedInfo[] = [];
  site.tunnel.on('close', (info) => closes.push(info));
  const connected = backend.connection();
  const accepted = nextConnection(site.server);
  const dialled = dialledTo(backend.port);
  const client = await openRaw(site.port, '/tunnel', headers);
  const [own, toClient] = [await connected, await accepted];
  return {
    ...site,
    client,
    toClient,
    toBackend: dialled(),
    backend: own,
    received: () => backend.received(),
    over: async () => {
      await until(() => closes.length > 0);
      client.socket.destroy();
      own.destroy();
      await until(() => descriptors() <= before && timers() === 0);
      expect(closes).toHaveLength(1);
      expect(site.tunnel.stats()).toMatchObject({ open: 0, opened: 1, backends: [{ load: 0, up: true }] });
      return closes[0]!;
    },
  };
}

/** Waits until the backend has received the bytes. */
export async function reaches(flow: OpenFlow, bytes: string): Promise<void> {
  await until(() => flow.received().includes(bytes));
}

/** Calls back after every write to the socket. */
export function onWrite(socket: Socket, written: (bytes: Uint8Array) => void): void {
  const write = socket.write.bind(socket) as (bytes: Uint8Array, ...rest: unknown[]) => boolean;
  socket.write = (bytes: Uint8Array | string, ...rest: unknown[]) => {
    const more = write(bytes as Uint8Array, ...rest);
    written(bytes as Uint8Array);
    return more;
  };
}

async function nextConnection(server: HttpServer): Promise<Socket> {
  return (await once(server, 'connection'))[0] as Socket;
}

/** The socket that the middleware opens to a port. */
function dialledTo(port: number): () => Socket {
  const sockets = watchDials();
  return () => [...sockets].find(({ remotePort }) => remotePort === port)!;
}

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { pipeline } from 'node:stream';
import { listen, type Place } from '../listen.js';

export interface Balancer {
  readonly port: number;
  close(): Promise<void>;
}

/** Milliseconds for a replica to accept a connection. */
const CONNECT_TIME = 2000;

/**
 * A TCP server that gives each connection to the next replica, so that the requests of one browser reach all replicas. A replica
 * that does not accept the connection is skipped.
 */
export async function startBalancer(place: Place, ports: () => readonly number[]): Promise<Balancer> {
  const sockets = new Set<Socket>();
  let next = 0;
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
    keep(client);
    const all = ports();
    const first = next++ % Math.max(1, all.length);
    forward(client, [...all.slice(first), ...all.slice(0, first)]);
  });

  function keep(socket: Socket): void {
    sockets.add(socket);
    socket.on('error', () => undefined);
    socket.on('close', () => sockets.delete(socket));
  }

  function forward(client: Socket, [port, ...others]: readonly number[]): void {
    if (port === undefined || client.destroyed) {
      client.destroy();
      return;
    }
    const replica = connect({ host: place.host, port, allowHalfOpen: true });
    keep(replica);
    const skip = () => forward(client, others);
    replica.setTimeout(CONNECT_TIME, () => replica.destroy());
    replica.once('close', skip);
    replica.once('connect', () => {
      replica.setTimeout(0);
      replica.off('close', skip);
      // Both directions end on their own; an error of one socket destroys both.
      pipeline(client, replica, () => undefined);
      pipeline(replica, client, () => undefined);
      client.resume();
    });
  }

  const port = await listen(server, place);
  return {
    port,
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

type ClosingMethod = 'closeAllConnections' | 'closeIdleConnections';

/**
 * Connections of a server that Node no longer lists, or no longer lists as idle: connections with an upgrade that the app has not
 * answered yet, and connections that were returned to Node and have sent no bytes since. The server's methods for closing
 * connections are extended to these connections: both methods then work as without an `upgrade` listener.
 */
export class TrackedConnections {
  readonly #server: Server;
  readonly #pending = new Set<Duplex>();
  readonly #idle = new Set<Duplex>();
  readonly #restore: readonly (() => void)[];

  constructor(server: Server) {
    this.#server = server;
    this.#restore = [
      this.#extend('closeAllConnections', [this.#pending, this.#idle]),
      this.#extend('closeIdleConnections', [this.#idle]),
    ];
  }

  /** Returns a function that removes the connection. A closed connection is removed automatically. */
  addPending(socket: Duplex): () => void {
    return add(this.#pending, socket);
  }

  /** Returns a function that removes the connection. A closed connection is removed automatically. */
  addIdle(socket: Duplex): () => void {
    return add(this.#idle, socket);
  }

  close(): void {
    for (const restore of this.#restore) restore();
  }

  #extend(name: ClosingMethod, sets: readonly ReadonlySet<Duplex>[]): () => void {
    const server = this.#server as unknown as Partial<Record<ClosingMethod, () => void>>;
    const original = server[name];
    // An http2 server has neither of the methods.
    if (original === undefined) return () => undefined;
    const wasOwn = Object.hasOwn(server, name);
    const extended = () => {
      Reflect.apply(original, server, []);
      for (const set of sets) for (const socket of set) socket.destroy();
    };
    server[name] = extended;
    return () => {
      if (server[name] !== extended) return;
      if (wasOwn) server[name] = original;
      else Reflect.deleteProperty(server, name);
    };
  }
}

function add(set: Set<Duplex>, socket: Duplex): () => void {
  const remove = () => {
    set.delete(socket);
    socket.off('close', remove);
  };
  set.add(socket);
  socket.on('close', remove);
  return remove;
}

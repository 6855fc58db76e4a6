import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

/** A server may get a new dispatcher while connections of its closed dispatcher are still tracked. */
const existing = new WeakMap<Server, TrackedConnections>();

type ClosingMethod = 'closeAllConnections' | 'closeIdleConnections';

/**
 * Connections of a server that Node no longer lists, or no longer lists as idle: connections with an upgrade that the app has not
 * answered yet, and connections that were returned to Node and have sent no bytes since. The server's methods for closing
 * connections are extended to these connections: both methods then work as without an `upgrade` listener.
 *
 * After `close()` the methods stay extended until the last of these connections is closed or removed: an app closes its tunnel first and its
 * server afterwards, and `server.close()` would wait for an idle connection until the keep-alive timeout.
 */
export class TrackedConnections {
  readonly #server: Server;
  readonly #pending = new Set<Duplex>();
  readonly #idle = new Set<Duplex>();
  readonly #restore: readonly (() => void)[];
  #isClosed = false;

  /** Returns the only object of the server. */
  static of(server: Server): TrackedConnections {
    const connections = existing.get(server) ?? new TrackedConnections(server);
    connections.#isClosed = false;
    existing.set(server, connections);
    return connections;
  }

  private constructor(server: Server) {
    this.#server = server;
    this.#restore = [
      this.#extend('closeAllConnections', [this.#pending, this.#idle]),
      this.#extend('closeIdleConnections', [this.#idle]),
    ];
  }

  /** Returns a function that removes the connection. A closed connection is removed automatically. */
  addPending(socket: Duplex): () => void {
    return this.#add(this.#pending, socket);
  }

  /** Returns a function that removes the connection. A closed connection is removed automatically. */
  addIdle(socket: Duplex): () => void {
    return this.#add(this.#idle, socket);
  }

  close(): void {
    this.#isClosed = true;
    this.#restoreIfUnneeded();
  }

  #restoreIfUnneeded(): void {
    if (!this.#isClosed || this.#pending.size > 0 || this.#idle.size > 0) return;
    for (const restore of this.#restore) restore();
    // After a late call, such as the second removal of a connection, the server may already have a new object.
    if (existing.get(this.#server) === this) existing.delete(this.#server);
  }

  #add(set: Set<Duplex>, socket: Duplex): () => void {
    const remove = () => {
      set.delete(socket);
      socket.off('close', remove);
      this.#restoreIfUnneeded();
    };
    set.add(socket);
    socket.on('close', remove);
    return remove;
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

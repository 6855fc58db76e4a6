import type { Server } from 'node:http';
import type { Duplex } from 'node:stream';

type Closing = 'closeAllConnections' | 'closeIdleConnections';

/**
 * Connections of a server that Node does not know to be its own any more, or not to be idle: those with an upgrade that the app
 * has not answered yet, and those that were given back to Node and have sent nothing since. The server's methods for closing
 * connections reach them as if nothing had listened for upgrades.
 */
export class Connections {
  readonly #server: Server;
  readonly #pending = new Set<Duplex>();
  readonly #idle = new Set<Duplex>();
  readonly #undo: readonly (() => void)[];

  constructor(server: Server) {
    this.#server = server;
    this.#undo = [
      this.#extend('closeAllConnections', [this.#pending, this.#idle]),
      this.#extend('closeIdleConnections', [this.#idle]),
    ];
  }

  /** Returns what takes it out again. */
  addPending(socket: Duplex): () => void {
    return add(this.#pending, socket);
  }

  addIdle(socket: Duplex): () => void {
    return add(this.#idle, socket);
  }

  close(): void {
    for (const undo of this.#undo) undo();
  }

  #extend(name: Closing, sets: readonly ReadonlySet<Duplex>[]): () => void {
    const server = this.#server as unknown as Partial<Record<Closing, () => void>>;
    const before = server[name];
    // An http2 server has neither.
    if (before === undefined) return () => undefined;
    const had = Object.hasOwn(server, name);
    const closing = () => {
      Reflect.apply(before, server, []);
      for (const set of sets) for (const socket of set) socket.destroy();
    };
    server[name] = closing;
    return () => {
      if (server[name] !== closing) return;
      if (had) server[name] = before;
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

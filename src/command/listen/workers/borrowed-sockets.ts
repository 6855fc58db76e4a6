import { createServer, type Server } from 'node:net';
import { listenOnHandle } from '../../../internals/listen-handles.js';

/** Serves the sockets of workers that are down, so that no connection waits until a replacement runs. */
export class BorrowedSockets {
  readonly #servers: () => readonly Server[];
  readonly #byOwner = new Map<number, Server[]>();

  /** `servers`: this worker's own servers, in the order of the listen addresses. */
  constructor(servers: () => readonly Server[]) {
    this.#servers = servers;
  }

  borrow(owner: number, index: number, handle: unknown): void {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
      const own = this.#servers()[index];
      // A server also parses connections that it has not accepted itself (https://nodejs.org/api/http.html#event-connection).
      if (own?.listening === true) own.emit('connection', socket);
      else socket.destroy();
    });
    // An accept can fail (no descriptors left).
    server.on('error', () => undefined);
    listenOnHandle(server, handle);
    this.#byOwner.set(owner, [...(this.#byOwner.get(owner) ?? []), server]);
  }

  release(owner: number): void {
    for (const server of this.#byOwner.get(owner) ?? []) server.close();
    this.#byOwner.delete(owner);
  }

  releaseAll(): void {
    for (const owner of [...this.#byOwner.keys()]) this.release(owner);
  }
}

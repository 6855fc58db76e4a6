import { once } from 'node:events';
import { createServer } from 'node:net';

/** An echo server in place of a VNC server. */
export class Backend {
  #server;
  #sockets = new Set();

  async start() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => this.#sockets.delete(socket));
      socket.pipe(socket);
    });
    this.#server.listen(5900, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  async stop() {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await once(this.#server, 'close');
  }
}

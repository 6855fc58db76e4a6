import { once } from 'node:events';
import { connect } from 'node:net';
import { onCleanup } from '../support/cleanup.js';
import { Program } from '../support/programs.js';

/** A server with a backlog of one that accepts nothing, for a time or for ever. Afterwards the server echoes. */
const SCRIPT = `
  const [host, port, milliseconds] = process.argv.slice(1);
  const server = require('node:net').createServer((socket) => socket.on('error', () => {}).pipe(socket));
  server.listen({ port: Number(port), host, backlog: 1 }, () => {
    require('node:fs').writeSync(1, 'port ' + server.address().port + '\\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds === '' ? undefined : Number(milliseconds));
  });`;

/**
 * An address whose queue is full: the kernel drops each SYN, so that a connection neither opens nor fails. With `slow` (in
 * milliseconds) the queue is emptied after that time, and the SYN that Linux repeats after a second is answered.
 */
export async function startStuck({
  host = '127.0.0.1',
  port = 0,
  slow,
}: {
  host?: string;
  port?: number;
  slow?: number;
}) {
  const program = new Program(process.execPath, ['-e', SCRIPT, host, String(port), String(slow ?? '')]);
  const given = Number((await program.prints(/port (\d+)/))[1]);
  for (let queued = 0; queued < 2; queued++) {
    const socket = connect(given, host);
    onCleanup(() => socket.destroy());
    await once(socket, 'connect');
  }
  return { port: given };
}

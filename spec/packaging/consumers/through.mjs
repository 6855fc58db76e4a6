// The body of each consumer's test: a tunnel in an Express app, bytes in both directions, an invalid option.
import { once } from 'node:events';
import { createServer } from 'node:net';
import process from 'node:process';
import express from 'express';
import { WebSocket } from 'ws';

export async function through(wstunnel, TunnelError) {
  const backend = createServer((socket) => socket.pipe(socket));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');

  const app = express();
  const tunnel = wstunnel({ server: { port: backend.address().port } });
  app.use('/vnc', tunnel);
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');

  const client = new WebSocket(`ws://127.0.0.1:${server.address().port}/vnc`);
  client.on('open', () => client.send('bare bytes'));
  const [data] = await once(client, 'message');
  client.close();
  await once(client, 'close');
  process.stdout.write(`${data}, there and back\n`);

  try {
    wstunnel({ server: { prot: 5900 } });
  } catch (error) {
    process.stdout.write(`${error instanceof TunnelError} ${error.code}\n`);
  }

  // After close() no handle keeps the process alive.
  await tunnel.close();
  server.close();
  backend.close();
}

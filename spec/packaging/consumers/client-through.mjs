// The body of each client's test: bytes in both directions through a tunnel, a local port, a refusal.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectTcp, createServer as createTcp } from 'node:net';
import process from 'node:process';
import { wstunnel } from 'express-wstunnel';

export async function through({ connect, listen, ClientError, TunnelError }) {
  const backend = createTcp((socket) => socket.pipe(socket));
  backend.listen(0, '127.0.0.1');
  await once(backend, 'listening');
  const tunnel = wstunnel({ url: '/vnc', server: { port: backend.address().port } });
  const server = createServer((req, res) => tunnel(req, res, () => res.writeHead(404).end()));
  tunnel.attach(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `ws://127.0.0.1:${server.address().port}/vnc`;

  const stream = connect(url, { proxy: false });
  stream.write('bare bytes');
  const [bytes] = await once(stream, 'data');
  stream.end();
  await once(stream, 'close');
  process.stdout.write(`${bytes}, there and back\n`);

  const local = await listen(0, url, { proxy: false });
  const socket = connectTcp(local.address.port, '127.0.0.1');
  socket.write('by a local port');
  const [more] = await once(socket, 'data');
  socket.end();
  await once(local, 'close');
  await local.close();
  process.stdout.write(`${more}\n`);

  const [refusal] = await once(connect(`${url}/../other`, { proxy: false }), 'error');
  process.stdout.write(`${refusal instanceof ClientError} ${refusal.code} ${refusal.status}\n`);
  try {
    connect('desk');
  } catch (error) {
    process.stdout.write(`${error instanceof TunnelError} ${error.code}\n`);
  }

  await tunnel.close();
  server.closeAllConnections();
  server.close();
  backend.close();
}

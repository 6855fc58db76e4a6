// A relay for the bench's own test: damages one chunk, in the way that WSTUNNEL_DAMAGE names. `--websocket`: passes TCP on, for a backend
// that speaks WebSocket.
import { Buffer } from 'node:buffer';
import { createServer } from 'node:http';
import { connect, createServer as createTcpServer } from 'node:net';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: { port: { type: 'string' }, backend: { type: 'string' }, websocket: { type: 'string' } },
});

const damages = {
  none: (chunk) => [chunk],
  lose: (chunk) => [chunk.subarray(0, -1)],
  double: (chunk) => [chunk, chunk],
  swap: (chunk) => [chunk.subarray(chunk.length / 2), chunk.subarray(0, chunk.length / 2)],
  flip: (chunk) => [Buffer.concat([chunk.subarray(0, -1), Buffer.from([chunk.at(-1) ^ 1])])],
};
const damage = damages[process.env.WSTUNNEL_DAMAGE];
let left = 100;
const spoil = (chunk) => (left-- === 0 ? damage(chunk) : [chunk]);

function passOn(from, to) {
  from.on('data', (chunk) => {
    for (const part of spoil(chunk)) to.write(part);
    if (!to.writableNeedDrain) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
  from.on('error', () => undefined);
}

function passTcp(client) {
  const backend = connect({ port: Number(values.backend), host: '127.0.0.1', noDelay: true });
  passOn(client, backend);
  passOn(backend, client);
}

const server = values.websocket ? createTcpServer({ noDelay: true }, passTcp) : createServer();
if (!values.websocket)
  new WebSocketServer({ server }).on('connection', (socket) => {
    const backend = connect({ port: Number(values.backend), host: '127.0.0.1' });
    backend.on('data', (chunk) => {
      for (const part of spoil(chunk)) socket.send(part);
    });
    socket.on('message', (chunk) => {
      for (const part of spoil(chunk)) backend.write(part);
    });
    socket.on('error', () => undefined);
    backend.on('error', () => undefined);
  });
server.listen(Number(values.port), '127.0.0.1');

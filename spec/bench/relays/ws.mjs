// A relay as a developer would write it with `ws` in five minutes: each message is a write, each chunk a message.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { connect } from 'node:net';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { WebSocketServer } from 'ws';

const { values } = parseArgs({
  options: { port: { type: 'string' }, backend: { type: 'string' }, tls: { type: 'string' } },
});

const page = `<title>a page of the app</title>\n${'x'.repeat(1000)}\n`;
const sendPage = (req, res) => res.setHeader('Content-Type', 'text/html').end(page);

const server = values.tls
  ? createSecureServer({ key: readFileSync(values.tls), cert: readFileSync(values.tls) }, sendPage)
  : createServer(sendPage);
new WebSocketServer({ server }).on('connection', (socket) => {
  const backend = connect({ port: Number(values.backend), host: '127.0.0.1', noDelay: true });
  backend.on('data', (chunk) => {
    socket.send(chunk, () => backend.resume());
    if (socket.bufferedAmount > 1024 * 1024) backend.pause();
  });
  backend.on('close', () => socket.close());
  backend.on('error', () => socket.terminate());
  socket.on('message', (data) => {
    if (backend.write(data)) return;
    socket.pause();
    backend.once('drain', () => socket.resume());
  });
  socket.on('close', () => backend.destroy());
  socket.on('error', () => backend.destroy());
});
server.listen(Number(values.port), '127.0.0.1', 4096);
process.on('SIGTERM', () => process.exit());

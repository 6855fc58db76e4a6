// A relay without WebSocket: the limit of Node's streams.
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import process from 'node:process';
import { pipeline } from 'node:stream';
import { createServer as createSecureServer } from 'node:tls';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: { port: { type: 'string' }, backend: { type: 'string' }, tls: { type: 'string' } },
});

function relay(client) {
  const backend = connect({ port: Number(values.backend), host: '127.0.0.1', noDelay: true });
  pipeline(client, backend, () => client.destroy());
  pipeline(backend, client, () => backend.destroy());
}

const server = values.tls
  ? createSecureServer(
      { key: readFileSync(values.tls), cert: readFileSync(values.tls), noDelay: true },
      relay,
    )
  : createServer({ noDelay: true }, relay);
server.listen(Number(values.port), '127.0.0.1', 4096);
process.on('SIGTERM', () => process.exit());

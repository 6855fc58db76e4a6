// A server in a separate process with a garbage collector on request, for retained.spec.ts. Argument: the settings as
// JSON. `kind`: http, session (Express with express-session), https, http2, checked (a session, and checks of the login), or sockets (a plain pair of sockets for
// each connection, without a tunnel). The process reports its port, then answers each message after a collection: the
// number of tunnels, the collected and the reachable objects of the requests, and the bytes of the heap.
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createHttpsServer } from 'node:https';
import { connect, createServer as createNetServer } from 'node:net';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import session from 'express-session';
import { wstunnel } from '../../dist/index.js';

const { kind, backend, key, cert } = JSON.parse(process.argv[2]);
const tunnel = wstunnel({
  server: { port: backend },
  revalidate: kind === 'checked' ? 0.2 : 0,
  limits: { total: 0, perClient: 0, opening: { total: 0, perClient: 0 } },
});

/** References to the objects of all requests, by name. */
const references = { req: [], res: [], headers: [], rawHeaders: [], session: [] };

function note(req, res, next) {
  const { headers, rawHeaders, session: ofRequest } = req;
  for (const [name, object] of Object.entries({ req, res, headers, rawHeaders, session: ofRequest }))
    if (object) references[name].push(new WeakRef(object));
  next();
}

function app() {
  const all = express();
  if (kind !== 'http') all.use(session({ secret: 'of the test', resave: false, saveUninitialized: true }));
  return all.use(note).use('/tunnel', tunnel);
}

function bare(req, res) {
  note(req, res, () => tunnel(req, res, () => res.end()));
}

function relay(client) {
  const other = connect(backend, '127.0.0.1');
  client.pipe(other).on('error', () => client.destroy());
  other.pipe(client).on('error', () => other.destroy());
}

const servers = {
  http: () => createServer(bare),
  session: () => createServer(app()),
  https: () => createHttpsServer({ key, cert }, app()),
  checked: () => createServer(app()),
  http2: () => createSecureServer({ key, cert, allowHTTP1: true }, app()),
  sockets: () => createNetServer(relay),
};
const server = servers[kind]();
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));

process.on('message', async () => {
  // References of one event-loop turn stay until its end, and some objects need a second collection.
  for (let round = 0; round < 4; round++) {
    await sleep(5);
    globalThis.gc();
  }
  const { heapUsed, external } = process.memoryUsage();
  const objects = Object.entries(references).map(([name, all]) => {
    const reachable = all.filter((reference) => reference.deref() !== undefined).length;
    return [name, { seen: all.length, reachable }];
  });
  process.send({
    open: tunnel.stats().open,
    bytes: heapUsed + external,
    objects: Object.fromEntries(objects),
  });
});
process.on('disconnect', () => process.exit());

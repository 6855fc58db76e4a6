// The server of the soak test, in a separate process: an Express app with a login, and a tunnel object that a reload replaces. Argument: JSON of
// { dist, redis, ports: { bytes, vnc, websocket }, recordings, tokens, secret }. Answers the messages { id, ask, data } of its parent, and reports each end.
// First: packages below may keep a reference to Date.
import { clock } from './clock.mjs';
import { Buffer } from 'node:buffer';
import { readdirSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createHttp2 } from 'node:http2';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import express from 'express';
import session from 'express-session';
import { Redis } from 'ioredis';
import { createClient } from 'redis';

const { dist, redis, ports, recordings, tokens, secret } = JSON.parse(process.argv[2]);
const load = (file) => import(pathToFileURL(join(dist, file)).href);
const { wstunnel } = await load('index.js');
const { redisShared } = await load('redis/index.js');
const { fileRecorder } = await load('record/index.js');
const { fileTokens, jwtTokens, redisTokens, tokenServer } = await load('tokens/index.js');

const warnings = new Map();
process.on('warning', ({ name, message }) => {
  const text = `${name}: ${message}`;
  warnings.set(text, (warnings.get(text) ?? 0) + 1);
});

// The shared state uses one Redis package, the tokens use the other.
const store = createClient({ url: `redis://127.0.0.1:${redis}` });
store.on('error', () => undefined);
await store.connect();
const tokenStore = new Redis(redis, '127.0.0.1', { maxRetriesPerRequest: 1, retryStrategy: () => 200 });
tokenStore.on('error', () => undefined);
const shared = redisShared(store, { ttl: 15, timeout: 1, replica: 'soak' });

const app = express();
app.disable('x-powered-by');
// Sessions in memory: the parent logs each user out, so that the store does not grow.
app.use(session({ secret, resave: false, saveUninitialized: false }));
app.get('/login/:user', (req, res) => {
  req.session.user = req.params.user;
  res.send('welcome\n');
});
app.get('/logout', (req, res) => req.session.destroy(() => res.send('bye\n')));
const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
app.use('/t', requireLogin, (req, res, next) => current(req, res, next));

const http1 = createServer(app);
const http2 = createHttp2(app);

let current;
let isClosed = false;
/** Promises of close() of tunnel objects that a reload has replaced. */
const leaving = new Set();

function makeTunnel() {
  const bytes = { port: ports.bytes };
  const tunnel = wstunnel({
    server: bytes,
    name: 'soak',
    shared,
    autoAttach: false,
    user: (req) => req.session.user,
    limits: { total: 400, perUser: 60 },
    closeTimeout: 5,
    pingInterval: 4,
    pongTimeout: 30,
    revalidate: { every: 3 },
    rules: [
      { url: '/record', record: fileRecorder({ folder: recordings, direction: 'both', name: nameOf }) },
      { url: '/vnc', server: { port: ports.vnc }, vnc: { viewOnly: true, inputIdleTimeout: 600 } },
      { url: '/frames', server: { url: `ws://127.0.0.1:${ports.websocket}/` } },
      { url: '/text', frameType: 'text' },
      { url: '/idle', idleTimeout: 2 },
      {
        url: '/token',
        server: tokenServer(
          fileTokens(tokens),
          jwtTokens({ key: Buffer.from(secret), algorithms: ['HS256'], audience: 'soak' }),
          redisTokens(tokenStore, { prefix: 'soak:', once: true }),
          { targets: ['127.0.0.1:*'] },
        ),
      },
    ],
  });
  tunnel.on('close', (info) => process.send({ closed: { ...info, session: nameOf(info) } }));
  return tunnel.attach(http1).attach(http2);
}

/** The last segment of the path: the number of the session. */
function nameOf({ url }) {
  return url.split('?')[0].split('/').at(-1);
}

/** The values that a leak would raise, after a garbage collection. */
async function sample() {
  for (let times = 0; times < 2; times++) {
    globalThis.gc();
    await sleep(20);
  }
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage();
  const resources = {};
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1;
  const { user, system } = process.cpuUsage();
  const { open, opening, opened, backends, closed, refused } = current.stats();
  return {
    rss,
    heapUsed,
    external,
    arrayBuffers,
    descriptors: readdirSync('/proc/self/fd').length,
    handles: process._getActiveHandles().length,
    timers: resources.Timeout ?? 0,
    resources,
    cpu: (user + system) / 1e6,
    open,
    opening,
    opened,
    closed,
    refused,
    loads: backends.filter(({ load }) => load > 0).map(({ id }) => id),
    hosts: backends.length,
    leaving: leaving.size,
    up: shared.up,
  };
}

const ASKS = {
  sample,
  open: () => current.tunnels(),
  warnings: () => Object.fromEntries(warnings),
  async ticket({ user, port }) {
    try {
      return { ticket: await current.ticket({ user, target: { port } }) };
    } catch ({ code }) {
      return { code };
    }
  },
  end: (where) => current.end(where),
  clock: (offset) => clock.step(offset),
  reload(options) {
    const old = current;
    current = makeTunnel();
    const end = old.close(options).finally(() => leaving.delete(end));
    leaving.add(end);
    return leaving.size;
  },
  async ready() {
    const pong = await tokenStore.ping().catch(() => undefined);
    return { up: shared.up, tokens: pong === 'PONG' };
  },
  async close() {
    isClosed = true;
    http1.close();
    http2.close();
    await Promise.all([current.close({ timeout: 2 }), ...leaving]);
    const { open, opening, backends } = current.stats();
    await shared.close();
    store.destroy();
    tokenStore.disconnect();
    return { open, opening, load: backends.reduce((sum, { load }) => sum + load, 0) };
  },
};

// The parent has died, and no process receives the reports.
process.on('disconnect', () => isClosed || process.exit(1));
process.on('message', async ({ id, ask, data }) => process.send({ id, answer: await ASKS[ask](data) }));
for (let left = 200; !shared.up && left > 0; left--) await sleep(50);
current = makeTunnel();
const listen = (server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
await Promise.all([listen(http1), listen(http2)]);
process.send({ http1: http1.address().port, http2: http2.address().port });

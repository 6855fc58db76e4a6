// One replica of shared.mjs, in a process of its own: a tunnel in bare http, or in Express with a session, over Redis or alone. Argument:
// JSON of { redis, client, limits, addresses, backend, session, ttl, replica }. Answers the messages { ask, data } of its parent.
import { createServer } from 'node:http';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import session from 'express-session';
import { wstunnel } from '../../../dist/index.js';
import { redisShared } from '../../../dist/redis/index.js';
import { connectClient } from './redis.mjs';

const settings = JSON.parse(process.argv[2]);

/** A backend without a descriptor: the tunnels of one process may take all of them. */
class Backend extends Duplex {
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
  _final(done) {
    this.push(null);
    done();
  }
}

const store = settings.redis && (await connectClient(settings.client ?? 'ioredis', settings.redis));
const shared =
  store &&
  redisShared(store.client, { ttl: settings.ttl ?? 45, replica: settings.replica, whenDown: 'refuse' });
const tunnel = wstunnel({
  server: settings.backend ? { port: settings.backend } : () => new Backend(),
  user: (req) => req.headers['x-user'] ?? 'ann',
  ...(settings.addresses && { clientAddress: (req) => req.headers['x-address'] }),
  pingInterval: 0,
  limits: { opening: { total: 0, perClient: 0 }, ...settings.limits },
  shared,
});

function withSession() {
  const app = express();
  app.use(session({ secret: 'of the bench', resave: false, saveUninitialized: false }));
  app.get('/login', (req, res) => {
    req.session.user = 'ann';
    res.send('welcome\n');
  });
  const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
  return app.use('/tunnel', requireLogin, tunnel);
}

const server = createServer(
  settings.session ? withSession() : (req, res) => tunnel(req, res, () => res.end()),
);

const ASKS = {
  usage() {
    const { user, system } = process.cpuUsage();
    const { open, opening } = tunnel.stats();
    return { cpu: (user + system) / 1e6, at: performance.now() / 1000, open, opening };
  },
  /** Milliseconds until all replicas have answered an end. */
  async end(where) {
    const started = performance.now();
    const result = await tunnel.end(where);
    return { ...result, milliseconds: performance.now() - started };
  },
  async close() {
    await tunnel.close({ timeout: 0 });
    await shared?.close();
    store?.stop();
  },
};

process.on('message', async ({ id, ask, data }) => process.send({ id, answer: await ASKS[ask](data) }));
process.on('disconnect', () => process.exit());
while (shared && !shared.up) await sleep(10);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send({ port: server.address().port }),
);

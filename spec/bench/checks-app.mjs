// The app of checks.mjs, in a process of its own: Express with the usual middleware, and a tunnel behind a login. Argument: seconds
// between the checks of a login (0: no checks), and `touch`. Answers each message with CPU and memory; `true` collects the garbage first.
import { createServer } from 'node:http';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import session from 'express-session';
import helmet from 'helmet';
import morgan from 'morgan';
import { wstunnel } from '../../dist/index.js';

const [every, touch] = [Number(process.argv[2]), process.argv[3]];

/** A backend without a descriptor: the tunnels of one process may take all of them. */
class Backend extends Duplex {
  _read() {}
  _write(_chunk, _encoding, done) {
    done();
  }
}

const tunnel = wstunnel({
  server: () => new Backend(),
  user: (req) => req.session.name,
  revalidate: every === 0 ? 0 : { every, touch },
  pingInterval: 0,
  limits: { total: 0, perClient: 0, opening: { total: 0, perClient: 0 } },
});

let checks = 0;
let lines = 0;
const app = express();
app.use(morgan('combined', { stream: { write: () => void lines++ } }));
app.use(helmet());
app.use(rateLimit({ limit: 1e9, windowMs: 60_000, validate: false }));
app.use(session({ secret: 'of the bench', resave: false, saveUninitialized: false }));
app.use(express.json(), express.urlencoded());
app.get('/login', (req, res) => {
  req.session.name = 'ann';
  res.end();
});
app.use((req, res, next) => {
  if (req.session.name === undefined) res.sendStatus(401);
  else next();
});
app.get('/page', (_req, res) => res.send('a page'));
app.use('/tunnel', (req, _res, next) => {
  if (req.wstunnelCheck) checks++;
  next();
});
app.use('/tunnel', tunnel);

const server = createServer(app);
server.keepAliveTimeout = 120_000;
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  process.send({ port: server.address().port }),
);

process.on('message', async (settle) => {
  if (settle) {
    await sleep(500);
    for (let round = 0; round < 4; round++) {
      globalThis.gc();
      await sleep(20);
    }
  }
  const { user, system } = process.cpuUsage();
  const { heapUsed, external, rss } = process.memoryUsage();
  process.send({
    cpu: (user + system) / 1e6,
    at: performance.now() / 1000,
    bytes: heapUsed + external,
    rss,
    checks,
    lines,
    open: tunnel.stats().open,
  });
});
process.on('disconnect', () => process.exit());

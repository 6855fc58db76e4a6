// Several cores: a process for each core, by node:cluster, with common limits and a logout that ends the user's tunnels in all.
//
//   npm install express cookie-session express-wstunnel @novnc/novnc
//   node several-cores.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and CORES, the number of processes (one for each core).
//
// One process relays more than a gigabyte a second. Use several processes for higher rates, or for more opening
// handshakes. node:cluster distributes the connections, and a tunnel stays in the process that opened the tunnel.
// By clusterShared() the workers share `limits`, the loads used for balancing, and end() by data; the primary keeps the counts.
// stats() and tunnels() belong to each worker alone.
import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { availableParallelism } from 'node:os';
import cookieSession from 'cookie-session';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { clusterShared } from 'express-wstunnel/cluster';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { desktopPage } from './desktop-page.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const shared = clusterShared(); // also in the primary

if (cluster.isPrimary) {
  // Workers inherit the environment: one secret for all.
  process.env.SESSION_SECRET ??= randomBytes(32).toString('hex');
  const cores = Number(process.env.CORES ?? availableParallelism());
  for (let core = 0; core < cores; core++) cluster.fork();
  cluster.on('exit', (worker) => worker.exitedAfterDisconnect || cluster.fork());
} else {
  const app = express();
  app.use(cookieSession({ secret: process.env.SESSION_SECRET, sameSite: 'lax' })); // or a store that the workers share

  const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
  const tunnel = wstunnel({
    server: { port: VNC_PORT },
    user: (req) => req.session.user,
    limits: { perUser: 4, total: 1000 }, // over all workers
    shared,
  });
  app.use('/vnc', requireLogin, tunnel);

  app.post('/login', express.urlencoded({ extended: false }), async (req, res) => {
    const name = await nameOf(req.body ?? {});
    if (!name) return res.sendStatus(401);
    req.session.user = name;
    res.redirect(303, '/');
  });

  app.post('/logout', requireLogin, async (req, res) => {
    await tunnel.end({ user: req.session.user }, 1008, 'logged out');
    req.session = null;
    res.redirect(303, '/');
  });

  app.use(desktopPage('/vnc'));

  const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
    if (error) throw error;
    console.log(`listening on http://127.0.0.1:${server.address().port}/`);
  });
}

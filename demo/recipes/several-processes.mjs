// Several processes or machines behind a balancer: common limits, and a logout that ends the user's tunnels everywhere.
//
//   npm install express cookie-session express-wstunnel redis @novnc/novnc
//   node several-processes.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and REDIS_URL (redis://127.0.0.1:6379). Start the
// program several times, on one machine or on several, with the same SESSION_SECRET, PASSWORD and REDIS_URL.
//
// The limits and end() apply to all processes that share the state. While Redis is down, each process counts only its
// own tunnels; with `whenDown: 'refuse'`, new tunnels are refused instead. Open tunnels go on in both cases.
import { randomBytes } from 'node:crypto';
import cookieSession from 'cookie-session';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { redisShared } from 'express-wstunnel/redis';
import { createClient } from 'redis';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { desktopPage } from './desktop-page.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const client = createClient({ url: process.env.REDIS_URL ?? 'redis://127.0.0.1:6379' });
client.on('error', (error) => console.error(`Redis: ${error.message}`));
client.connect().catch(() => undefined); // tunnels do not wait for Redis

const shared = redisShared(client);
const tunnel = wstunnel({
  server: { port: VNC_PORT },
  user: (req) => req.session.user,
  limits: { perUser: 3, total: 1000 }, // over all processes
  shared,
});
tunnel.on('shared', ({ up, reason }) => console.error(`shared state ${up ? 'up' : 'down'}: ${reason}`));

const app = express();
const secret = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');
app.use(cookieSession({ secret, sameSite: 'lax' })); // or a store that the processes share

const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
app.use('/vnc', requireLogin, tunnel);

app.post('/login', express.urlencoded({ extended: false }), async (req, res) => {
  const name = await nameOf(req.body ?? {});
  if (!name) return res.sendStatus(401);
  req.session.user = name;
  res.redirect(303, '/');
});

app.post('/logout', requireLogin, async (req, res) => {
  const { silent } = await tunnel.end({ user: req.session.user }, 1008, 'logged out');
  if (silent.length > 0) console.error(`no answer from ${silent}: they end these tunnels when they are back`);
  req.session = null;
  res.redirect(303, '/');
});

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.once(signal, async () => {
    server.close();
    await tunnel.close({ timeout: 3 });
    await shared.close(); // frees the slots of this process at once
    client.destroy();
  });
}

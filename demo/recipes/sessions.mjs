// Sessions: express-session guards the tunnel, and a logout ends the tunnels of that user.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node sessions.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD (see README.md), and SESSION_SECRET, a long random text (openssl rand -hex 32).
// By default the secret is random, and all logins end with the process.
//
// The login is checked when a tunnel opens, and with `revalidate` again every minute: the tunnel ends when the session is
// destroyed or expires. end() ends the user's tunnels at once. Session changes during the upgrade are saved, and a new
// cookie is sent with the 101 response.
import { randomBytes } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import { wstunnel } from 'express-wstunnel';
import { nameOf } from './accounts.mjs'; // ({ username, password }) => the user's name, or undefined
import { desktopPage } from './desktop-page.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SESSION_SECRET = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');

const app = express();
app.use(
  session({
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' }, // HttpOnly is the default
  }),
);

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user, revalidate: 60 });
const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));

app.use('/vnc', requireLogin, tunnel);

app.post('/login', express.urlencoded({ extended: false }), async (req, res, next) => {
  const name = await nameOf(req.body ?? {});
  if (!name) return res.sendStatus(401);
  // A new session id: an id that an attacker planted before the login is worth nothing afterwards.
  req.session.regenerate((error) => {
    if (error) return next(error);
    req.session.user = name;
    res.redirect(303, '/');
  });
});

app.post('/logout', requireLogin, (req, res, next) => {
  const name = req.session.user;
  req.session.destroy((error) => {
    tunnel.end(({ user }) => user === name, 1008, 'logged out');
    if (error) next(error);
    else res.redirect(303, '/');
  });
});

app.use(desktopPage('/vnc', '/logout'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

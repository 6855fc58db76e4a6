// Passport: a login with a strategy of Passport guards the tunnel, and a logout ends the tunnels of that user.
//
//   npm install express express-session passport passport-local express-wstunnel @novnc/novnc
//   node passport.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// The user's name in events comes from req.user, so the option `user` is not needed. Passport makes a new session id at
// each login. With `revalidate` the login is checked again every minute, and the tunnel ends with the session.
import { randomBytes } from 'node:crypto';
import express from 'express';
import session from 'express-session';
import { wstunnel } from 'express-wstunnel';
import passport from 'passport';
import { Strategy } from 'passport-local';
import { accountById, accountOf } from './accounts.mjs'; // promises of { id, username, ... }, or of false
import { desktopPage } from './desktop-page.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SESSION_SECRET = process.env.SESSION_SECRET ?? randomBytes(32).toString('hex');

passport.use(
  new Strategy((username, password, done) => {
    accountOf(username, password).then((account) => done(null, account), done);
  }),
);
passport.serializeUser((account, done) => done(null, account.id));
passport.deserializeUser((id, done) => {
  accountById(id).then((account) => done(null, account), done);
});

const app = express();
app.use(
  session({
    secret: SESSION_SECRET,
    resave: false,
    saveUninitialized: false,
    cookie: { sameSite: 'lax', secure: 'auto' },
  }),
);
app.use(passport.session());

const tunnel = wstunnel({ server: { port: VNC_PORT }, revalidate: 60 });
const requireLogin = (req, res, next) => (req.isAuthenticated() ? next() : res.sendStatus(401));

app.use('/vnc', requireLogin, tunnel);

app.post('/login', express.urlencoded({ extended: false }), passport.authenticate('local'), (req, res) =>
  res.redirect(303, '/'),
);

app.post('/logout', requireLogin, (req, res, next) => {
  const { username } = req.user;
  req.logout((error) => {
    tunnel.end(({ user }) => user === username, 1008, 'logged out');
    if (error) next(error);
    else res.redirect(303, '/');
  });
});

app.use(desktopPage('/vnc', '/logout'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

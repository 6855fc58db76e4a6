// A VNC password that no user knows: the server logs in to the desktop, an operator types, and a trainee only watches.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node vnc-password.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md); VNC_PASSWORD_FILE (vnc.password), a file with
// the password of the VNC server in its first line, readable for the app's user alone (chmod 600); REVALIDATE, the
// seconds between two checks of a role (5).
//
// ann is the operator, bob a trainee. A trainee's keys, clicks and clipboard never reach the desktop, also if the page
// is changed. POST /role with name=bob&role=operator, by an operator, gives bob another role: with `revalidate`, a
// tunnel with the old rights ends within some seconds (1008), and the page connects again with the new ones.
import { readFile } from 'node:fs/promises';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const VNC_PASSWORD_FILE = process.env.VNC_PASSWORD_FILE ?? 'vnc.password';
const REVALIDATE = Number(process.env.REVALIDATE ?? 5);

// Stands for your user database. The role is not in the session: there, a change would wait for the next login.
const roles = new Map([
  ['ann', 'operator'],
  ['bob', 'trainee'],
]);

// Read for each tunnel, so that a new password needs no restart.
const password = async (signal) => {
  const [line] = (await readFile(VNC_PASSWORD_FILE, { encoding: 'utf8', signal })).split(/\r?\n/);
  return line;
};

const RIGHTS = {
  operator: { password, inputIdleTimeout: 600 },
  trainee: { password, viewOnly: true },
};

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: { port: VNC_PORT },
  user: (req) => req.session.user,
  revalidate: REVALIDATE,
  // The least rights for a role that is unknown.
  vnc: (req) => RIGHTS[roles.get(req.session.user)] ?? RIGHTS.trainee,
});
app.use('/vnc', requireLogin, tunnel);

const requireOperator = (req, res, next) =>
  roles.get(req.session.user) === 'operator' ? next() : res.sendStatus(403);

app.post('/role', requireLogin, requireOperator, express.urlencoded({ extended: false }), (req, res) => {
  const { name, role } = req.body ?? {};
  if (!roles.has(name) || !Object.hasOwn(RIGHTS, role)) return res.sendStatus(400);
  roles.set(name, role);
  res.sendStatus(204);
});

app.use(desktopPage());

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

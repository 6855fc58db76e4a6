// A backend for each user: a function looks up the desktop of the logged-in user.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node backend-per-user.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md), and VNC_PORT, the port of ann's desktop. bob has none.
//
// Look up the backend by the user. A host or port from the client's request would turn the tunnel into a proxy for your
// whole network.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

// Your database replaces this table. It gets the signal, since the client may leave before the answer.
const desktops = new Map([['ann', { host: '127.0.0.1', port: VNC_PORT }]]);
const desktopOf = async (user) => desktops.get(user);

const app = express();
app.use(login);
app.use(
  '/vnc',
  requireLogin,
  wstunnel({
    server: (req, { signal }) => desktopOf(req.session.user, { signal }), // undefined: 404
  }),
);

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

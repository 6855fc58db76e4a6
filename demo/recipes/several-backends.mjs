// Several backends: weights, a backup, a limit for each host, and the same host for the same user.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node several-backends.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md); HOST_1 and HOST_2, addresses with VNC servers on VNC_PORT_1
// and VNC_PORT_2 (127.0.0.1, 5900 and 5901); VNC_SOCKET, the unix socket of the backup (/run/vnc.sock).
//
// If a host can't be reached, the tunnel tries the next host, unnoticed by the browser, and skips the failed host for
// `disableTime` seconds. While no host is up, one request every half second tries the hosts all the same. 'hash' and
// 'sticky' use rendezvous hashing: when a host disappears, only the keys of that host move to other hosts. For a strategy
// of your own see own-balance.mjs.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const { HOST_1 = '127.0.0.1', HOST_2 = '127.0.0.1', VNC_SOCKET = '/run/vnc.sock' } = process.env;
const VNC_PORT_1 = Number(process.env.VNC_PORT_1 ?? 5900);
const VNC_PORT_2 = Number(process.env.VNC_PORT_2 ?? 5901);

const app = express();
app.use(login);
app.use(
  '/vnc',
  requireLogin,
  wstunnel({
    server: [
      { host: HOST_1, port: VNC_PORT_1, weight: 2, maxTunnels: 20 },
      { host: HOST_2, port: VNC_PORT_2, maxTunnels: 10 },
      { socket: VNC_SOCKET, backup: true }, // while no other host is up
    ],
    balance: 'sticky', // or 'fair' (the default), 'round-robin', 'hash'
    stickyKey: (req) => req.session.user, // the same user has the same desktop
  }),
);

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

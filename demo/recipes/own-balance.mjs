// A balance strategy of your own: an object with `pick`.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node own-balance.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md), and VNC_PORTS, the ports of VNC servers on this machine,
// with commas (5900,5901).
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const ports = (process.env.VNC_PORTS ?? '5900,5901').split(',').map(Number);

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: ports.map((port) => ({ port })),
  // At most four tunnels on each host, else 503. The second argument describes the request: { address, ... }.
  balance: { pick: (hosts) => hosts.find((host) => host.load < 4) },
});
app.use('/vnc', requireLogin, tunnel);

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

// Behind nginx: the app trusts the addresses that nginx writes. The configuration of nginx is in behind-nginx.conf.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node behind-nginx.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// `allow`, `deny` and the events see the client's address, and `secure: 'auto'` of the session sees https.
// src/guard/README.md of express-wstunnel has more: addresses with ports, the origin of a page, DNS rebinding.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
app.set('trust proxy', 'loopback'); // the proxies, by address: with `true`, clients could write their own address
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT }, deny: ['192.0.2.0/24'] }));

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

// The client's address at the backend, by the PROXY protocol.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node proxy-protocol.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// The backend must expect the header: HAProxy with `accept-proxy`, nginx with `proxy_protocol`.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT, proxyProtocol: 2 } }));

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

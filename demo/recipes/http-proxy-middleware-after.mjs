// From http-proxy-middleware, after: requireLogin guards the tunnel like any other route; websockify is not needed.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node http-proxy-middleware-after.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// For a backend that speaks WebSocket itself, keep the proxy for its pages, without `ws: true`: see jupyter.mjs.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT } }));

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

// Next.js: the tunnel in a custom server, in front of Next's pages. Tried by hand with Next 16, in development and as a
// production build (next build, NODE_ENV=production).
//
//   npm install next react react-dom express express-session express-wstunnel
//   node nextjs.mjs
//
// Start it in the folder of your Next app. Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Next's middleware (proxy.js) does not guard the tunnel; the app's middleware before the tunnel does. Upgrades on other
// paths are left to Next: in Chromium, the hot reload works, and an open tunnel stays open.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import next from 'next';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

// In development, Next answers its hot reload only for `localhost` and this name. Without the name, a page at
// http://127.0.0.1:8080/ shows no changes until it is reloaded by hand. More names: allowedDevOrigins in next.config.js.
const HOST = '127.0.0.1';
const site = next({ dev: process.env.NODE_ENV !== 'production', hostname: HOST });
await site.prepare();
const handle = site.getRequestHandler();

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT } }));
app.use((req, res) => handle(req, res));

const server = app.listen(process.env.PORT ?? 8080, HOST, (error) => {
  if (error) throw error;
  console.log(`listening on http://${HOST}:${server.address().port}/`);
});

// Next.js: the tunnel in a custom server, in front of Next's pages. Tried by hand with Next 16, in development and as a
// production build (next build, NODE_ENV=production).
//
//   npm install next react react-dom express express-session express-wstunnel
//   node nextjs.mjs
//
// Start it in the folder of your Next app. Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// Next's middleware (proxy.js) does not guard the tunnel; the app's middleware before the tunnel does. Upgrades on other
// paths, such as those of Next's hot reload, are left to Next (not tried in a browser).
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import next from 'next';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const site = next({ dev: process.env.NODE_ENV !== 'production' });
await site.prepare();
const handle = site.getRequestHandler();

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT } }));
app.use((req, res) => handle(req, res));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

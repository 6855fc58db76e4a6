// Vite's dev server: an Express app with the login and the tunnel, as a plugin.
//
//   npm install vite express express-session express-wstunnel
//   node vite.mjs
//
// Start the program in the folder of your Vite project. Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and SITE,
// the folder of the project. In a project with a vite.config.js, put `desk` into its `plugins`.
//
// Vite's own checks run first (allowedHosts, cors), then the app, then Vite's pages. `tunnel.attach()` keeps the path for
// the tunnel; all other upgrades go to Vite, so the WebSocket of its hot reload still works. A restart of Vite, such as
// after a change of the configuration, ends open tunnels. `vite build` makes files without a server: in production the
// same app serves the files, by express.static().
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { createServer } from 'vite';
import { login, requireLogin } from './login.mjs';
import { form } from './login-form.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user, revalidate: 60 });

const app = express();
app.use(login);
app.get('/login', (req, res) => res.send(form));
app.use('/vnc', requireLogin, tunnel);

const desk = {
  name: 'desk',
  configureServer({ middlewares, httpServer }) {
    middlewares.use(app);
    tunnel.attach(httpServer, { path: '/vnc', exclusive: true });
  },
};

const vite = await createServer({
  root: process.env.SITE ?? process.cwd(),
  plugins: [desk],
  server: { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080) },
});
await vite.listen();
console.log(`listening on http://127.0.0.1:${vite.httpServer.address().port}/`);

// webpack-dev-server: an Express app with the login and the tunnel, through setupMiddlewares.
//
//   npm install webpack webpack-dev-server express express-session express-wstunnel
//   node webpack-dev-server.mjs
//
// Start the program in the folder of your webpack project. Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and
// SITE, the folder of the project. In a project with a webpack.config.js, put `setupMiddlewares` into its `devServer`.
//
// The app runs after the dev server's checks of the headers Host and Origin, and before its pages.
// `tunnel.attach()` keeps the path for the tunnel; all other upgrades go to the dev server, so its own WebSocket (/ws)
// still works, and so do its proxies. Only the tunnel is behind the login: proxies with `ws: true` are not.
//
// Tried with webpack-dev-server 5.2, and with 6.1, which needs Node 22.15 or newer.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import webpack from 'webpack';
import WebpackDevServer from 'webpack-dev-server';
import { login, requireLogin } from './login.mjs';
import { form } from './login-form.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user, revalidate: 60 });

const app = express();
app.use(login);
app.get('/login', (req, res) => res.send(form));
app.use('/vnc', requireLogin, tunnel);

function setupMiddlewares(middlewares, { server }) {
  const place = middlewares.findIndex(({ name }) => name === 'webpack-dev-middleware');
  middlewares.splice(Math.max(place, 0), 0, { name: 'desk', middleware: app });
  tunnel.attach(server, { path: '/vnc', exclusive: true });
  return middlewares;
}

const compiler = webpack({ context: process.env.SITE ?? process.cwd(), mode: 'development' });
const options = { host: '127.0.0.1', port: Number(process.env.PORT ?? 8080), setupMiddlewares };
const devServer = new WebpackDevServer(options, compiler);
await devServer.start();
console.log(`listening on http://127.0.0.1:${devServer.server.address().port}/`);

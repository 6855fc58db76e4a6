// Shutting down: open tunnels get a few seconds more, are closed one after another, and the process ends.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node shutdown.mjs
//
// Settings: GRACE (seconds that open tunnels go on after the signal, 3), PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// server.close() waits for open tunnels, so close the tunnel as well. systemd and Docker send SIGTERM; Ctrl-C and PM2
// send SIGINT. Docker kills the app 10 seconds after SIGTERM (docker stop --time), Kubernetes after 30 seconds
// (terminationGracePeriodSeconds), systemd after 90 seconds, PM2 1.6 seconds after SIGINT (kill_timeout, in ms): the sum of grace,
// spread and timeout must be less. npx and npm start may not pass SIGTERM on: let the supervisor start node.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const GRACE = Number(process.env.GRACE ?? 3);

const app = express();
app.use(login);
app.use(desktopPage('/vnc'));

const tunnel = wstunnel({ server: { port: VNC_PORT } });
app.use('/vnc', requireLogin, tunnel);

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

for (const signal of ['SIGTERM', 'SIGINT']) {
  process.on(signal, () => {
    server.close(); // no new connections
    if (tunnel.draining)
      tunnel.close(); // a second signal ends the grace at once
    else tunnel.close({ grace: GRACE, spread: 2, timeout: 3 });
  });
}

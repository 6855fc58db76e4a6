// Shutting down: open tunnels are closed before the process ends.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node shutdown.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md).
//
// server.close() waits for open tunnels, so close the tunnel as well. systemd and Docker send SIGTERM; Ctrl-C and PM2
// send SIGINT. Docker kills the app 10 seconds after SIGTERM (docker stop --time), systemd after 90 seconds, PM2 1.6
// seconds after SIGINT (kill_timeout, in ms). npx and npm start may not pass SIGTERM on: let the supervisor start node.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

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
  process.once(signal, () => {
    server.close(); // no new connections
    tunnel.close({ timeout: 8 }); // Close 1001 to open tunnels; tunnels still open after 8 seconds are cut off
  });
}

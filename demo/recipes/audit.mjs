// Audit log and metrics: a line of JSON for each event, and counters on a port that only this machine can reach.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node audit.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and STATS_PORT (9090).
//
// The program prints a line for each tunnel that opens or closes, each refusal, and each host that goes down or up.
// Refusals by the app, here for a missing login, are in the app's log. `url`, `reason` and similar fields contain text
// from the client, up to 16 KiB: before people read the lines in a terminal, cut these fields and escape control
// characters, as the command's log does.
import { createServer } from 'node:http';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);

const tunnel = wstunnel({ server: { port: VNC_PORT }, user: (req) => req.session.user });

for (const event of ['open', 'close', 'refuse', 'backend']) {
  tunnel.on(event, (info) => {
    console.log(JSON.stringify({ time: new Date().toISOString(), event, ...info }));
  });
}

const app = express();
app.use(login);
app.use('/vnc', requireLogin, tunnel);

app.use(desktopPage('/vnc'));

const stats = createServer((req, res) => {
  // DNS rebinding: any site can make its name resolve to 127.0.0.1. Only the Host header identifies a request from such a site's page.
  if (!/^(localhost|127\.0\.0\.1)(:\d+)?$/.test(req.headers.host)) return res.writeHead(403).end();
  res.setHeader('Content-Type', 'application/json');
  res.end(JSON.stringify(tunnel.stats()));
});
stats.listen(process.env.STATS_PORT ?? 9090, '127.0.0.1', () => {
  console.log(`statistics on http://127.0.0.1:${stats.address().port}/`);
});

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

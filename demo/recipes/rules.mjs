// Rules: options for some of the requests, like lighttpd's conditions.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node rules.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md); SSH_PORT (22); INSIDE, the addresses and ranges
// of the clients inside (127.0.0.0/8,10.0.0.0/8,192.168.0.0/16).
//
// Every matching rule replaces, option by option, the earlier options. src/routes/README.md of express-wstunnel has the
// table of conditions, and says which conditions can protect a path: a client can choose the host, the query and the
// headers, so protect paths only by remoteAddress, scheme or url.
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const SSH_PORT = Number(process.env.SSH_PORT ?? 22);
const INSIDE = (process.env.INSIDE ?? '127.0.0.0/8,10.0.0.0/8,192.168.0.0/16').split(',');

const app = express();
app.use(login);

const tunnel = wstunnel({
  url: /^\/(vnc|ssh)\b/, // other requests, and requests for which no `server` applies, go to next()
  server: { port: VNC_PORT },
  rules: [
    { url: '/ssh', server: { port: SSH_PORT }, idleTimeout: 900 },
    {
      when: {
        any: [{ query: /(^|&)text(&|$)/ }, { host: 'text.example.com' }],
        headers: { 'user-agent': { notMatches: /Old/ } },
      },
      frameType: 'text',
    },
    {
      when: { remoteAddress: INSIDE },
      pingInterval: 0,
      // The options for all other clients.
      else: {
        maxDuration: 8 * 3600,
        rules: [
          {
            when: { scheme: 'http' },
            authenticate: () => ({ status: 403, body: 'https only\n' }),
          },
        ],
      },
    },
  ],
});
app.use('/desk', requireLogin, tunnel);

app.use(desktopPage('/desk/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

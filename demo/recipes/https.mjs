// https: the page opens the tunnel by wss.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node https.mjs
//
// Settings: PORT (8443), VNC_PORT, PASSWORD, SESSION_SECRET (see README.md); KEY and CERT, the files with the key and
// the certificate (desktop.key, desktop.crt).
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const { KEY = 'desktop.key', CERT = 'desktop.crt' } = process.env;

const app = express();
app.use(login);
app.use('/vnc', requireLogin, wstunnel({ server: { port: VNC_PORT } }));

app.use(desktopPage('/vnc'));

const server = createServer({ key: readFileSync(KEY), cert: readFileSync(CERT) }, app);
server.listen(process.env.PORT ?? 8443, '127.0.0.1', () => {
  console.log(`listening on https://127.0.0.1:${server.address().port}/`);
});

// A backend with TLS: the tunnel checks the certificate of the VNC server.
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node backend-with-tls.mjs
//
// Settings: PORT, VNC_PORT, PASSWORD, SESSION_SECRET (see README.md), and CA, the file with the certificate of the
// authority (our-ca.crt).
//
// `tls` has all options of Node's tls.connect (https://nodejs.org/api/tls.html#tlsconnectoptions-callback): `cert` and
// `key` for a client certificate, `servername`, `checkServerIdentity`. The certificate must be valid for the host's
// name, unless `rejectUnauthorized` is false. TLS sessions are reused.
import { readFileSync } from 'node:fs';
import express from 'express';
import { wstunnel } from 'express-wstunnel';
import { desktopPage } from './desktop-page.mjs';
import { login, requireLogin } from './login.mjs';

const VNC_PORT = Number(process.env.VNC_PORT ?? 5900);
const CA = process.env.CA ?? 'our-ca.crt';

const app = express();
app.use(login);

const tunnel = wstunnel({
  server: { host: 'localhost', port: VNC_PORT, tls: { ca: readFileSync(CA) } }, // `tls: true`: a public certificate
});
app.use('/vnc', requireLogin, tunnel);

app.use(desktopPage('/vnc'));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

// HTTP/2: the tunnel uses the connection of the page, by extended CONNECT (RFC 8441).
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node http2.mjs
//
// Settings: PORT (8443), VNC_PORT, PASSWORD, SESSION_SECRET (see README.md); KEY and CERT, the files with the key and
// the certificate (desktop.key, desktop.crt).
//
// The app sees the same upgrade as over HTTP/1.1: req.ip, req.secure, cookies, sessions. The package switches the
// server's setting `enableConnectProtocol` on, unless your options contain the setting. Each tunnel is a separate HTTP/2
// stream: flow control pauses one stream and not the others, `limits` counts streams, and a refusal is a status.
//
// Express crashes on requests of node:http2. On a server created with the app (createSecureServer(options, app), not
// with a function around the app) and without a `stream` listener of yours, the package therefore passes page requests
// to the app as HTTP/1.1 requests, too. Server push and trailers are not passed on. Apps of http2-express-bridge,
// Connect and plain listeners get the requests of node:http2, as without a tunnel.
//
// http2.createServer(), without TLS, works as well: call tunnel.attach(server) before listen().
import { readFileSync } from 'node:fs';
import { createSecureServer } from 'node:http2';
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

const options = {
  key: readFileSync(KEY),
  cert: readFileSync(CERT),
  allowHTTP1: true, // for other clients: curl, older proxies
};
const server = createSecureServer(options, app);
server.listen(process.env.PORT ?? 8443, '127.0.0.1', () => {
  console.log(`listening on https://127.0.0.1:${server.address().port}/`);
});

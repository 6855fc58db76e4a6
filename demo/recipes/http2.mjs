// HTTP/2: the tunnel comes on the connection of the page, by extended CONNECT (RFC 8441).
//
//   npm install express express-session express-wstunnel @novnc/novnc
//   node http2.mjs
//
// Settings: PORT (8443), VNC_PORT, PASSWORD, SESSION_SECRET (see README.md); KEY and CERT, the files with the key and
// the certificate (desktop.key, desktop.crt).
//
// The app sees the upgrade as over HTTP/1.1: req.ip, req.secure, cookies, sessions. The server's setting
// `enableConnectProtocol` is switched on, unless your options set it. Each tunnel is a stream: flow control pauses that
// stream and no other, `limits` count streams, and a refusal is a status.
//
// Express crashes on the requests that http2 makes. On a server that is given the app (createSecureServer(options, app),
// not a function around the app) and that has no `stream` listener of yours, the tunnel hands the pages over as HTTP/1.1
// requests as well. Server push and trailers are not passed on. Apps of http2-express-bridge, Connect and plain
// listeners get http2's requests, as without a tunnel.
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

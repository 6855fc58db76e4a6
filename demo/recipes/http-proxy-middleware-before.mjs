// From http-proxy-middleware, before: websockify in front of the VNC server, and the proxy in front of websockify.
// http-proxy-middleware-after.mjs is the program after the change.
//
//   npm install express express-session http-proxy-middleware
//   node http-proxy-middleware-before.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md), and WEBSOCKIFY (http://127.0.0.1:6080).
//
// This program has a security hole. With `ws: true` the proxy adds an `upgrade` listener to the server, which bypasses
// the app: from the first request to the proxy on, the listener passes all upgrades on, with or without a login.
import express from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { login, requireLogin } from './login.mjs';

const WEBSOCKIFY = process.env.WEBSOCKIFY ?? 'http://127.0.0.1:6080';

const app = express();
app.use(login);
app.use('/vnc', requireLogin, createProxyMiddleware({ target: WEBSOCKIFY, ws: true }));

const server = app.listen(process.env.PORT ?? 8080, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${server.address().port}/`);
});

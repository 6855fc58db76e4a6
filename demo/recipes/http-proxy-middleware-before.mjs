// From http-proxy-middleware, before: websockify in front of the VNC server, and the proxy in front of websockify.
// The program after the change is http-proxy-middleware-after.mjs.
//
//   npm install express express-session http-proxy-middleware
//   node http-proxy-middleware-before.mjs
//
// Settings: PORT, PASSWORD, SESSION_SECRET (see README.md), and WEBSOCKIFY (http://127.0.0.1:6080).
//
// This program has a hole. With `ws: true` the proxy listens for upgrades itself, on every path, beside the app: from
// the first request that reaches the proxy on, it passes all upgrades, with or without a login.
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

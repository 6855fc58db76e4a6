// The relay under measurement: the built package in a real Express 5 app. `--bare`: without Express; `--session`: with a login;
// `--websocket MODE`: the backend speaks WebSocket.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import process from 'node:process';
import { parseArgs } from 'node:util';
import express from 'express';
import session from 'express-session';
import { wstunnel } from '../../../dist/index.js';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    backend: { type: 'string' },
    tls: { type: 'string' },
    bare: { type: 'boolean' },
    session: { type: 'boolean' },
    websocket: { type: 'string' },
  },
});

const server = values.websocket
  ? { url: `ws://127.0.0.1:${values.backend}/tunnel`, mode: values.websocket }
  : { port: Number(values.backend) };
const tunnel = wstunnel({ server });

const page = `<title>a page of the app</title>\n${'x'.repeat(1000)}\n`;
const sendPage = (req, res) => res.type('html').send(page);

function withSession() {
  const app = express();
  app.use(session({ secret: 'of the bench', resave: false, saveUninitialized: false }));
  app.get('/login', (req, res) => {
    req.session.user = 'bench';
    res.send('welcome\n');
  });
  const requireLogin = (req, res, next) => (req.session.user ? next() : res.sendStatus(401));
  app.get('/page', requireLogin, sendPage);
  return app.use('/tunnel', requireLogin, tunnel);
}

function bare(req, res) {
  tunnel(req, res, () => {
    res.statusCode = 404;
    res.end();
  });
}

const app = values.bare
  ? bare
  : values.session
    ? withSession()
    : express().get('/page', sendPage).use('/tunnel', tunnel);
const listener = values.tls
  ? createSecureServer({ key: readFileSync(values.tls), cert: readFileSync(values.tls) }, app)
  : createServer(app);
listener.listen(Number(values.port), '127.0.0.1', 4096);
process.on('SIGTERM', () => process.exit());

import { createServer } from 'node:http';
import type { RequestHandler } from 'express';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { expect, test } from 'vitest';
import { WebSocketServer } from 'ws';
import { onCleanup } from '../support/cleanup.js';
import { frame, openRaw, pageStatus, statusOf } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startApp } from '../support/servers.js';

/** A program with pages and a WebSocket echo below `/lab`, such as Jupyter. `urls`: of its WebSockets so far. */
async function startProgram() {
  const urls: string[] = [];
  const http = createServer((req, res) => res.end(`page ${req.url}`));
  const server = new WebSocketServer({ server: http });
  server.on('connection', (socket, req) => {
    urls.push(req.url ?? '');
    socket.on('error', () => undefined);
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }));
  });
  onCleanup(() => {
    for (const socket of server.clients) socket.terminate();
  });
  await listen(http);
  return { target: `127.0.0.1:${portOf(http)}/lab`, urls };
}

const requireLogin: RequestHandler = (req, res, next) => {
  if (req.headers.cookie === 'sid=1') next();
  else res.status(401).end();
};

const LOGIN = { Cookie: 'sid=1' };

test('issue 18: with ws: true of http-proxy-middleware an upgrade passes by the login, with the tunnel it does not', async () => {
  const { target, urls } = await startProgram();
  const before = await startApp((app) => {
    app.use('/lab', requireLogin, createProxyMiddleware({ target: `http://${target}`, ws: true }));
  });
  // The first page makes the proxy listen for upgrades.
  expect(await pageStatus(before.port, '/lab/', LOGIN)).toBe(200);
  expect(await statusOf(before.port, '/lab/channels')).toBe(101);
  expect(urls).toHaveLength(1);

  const after = await startApp((app) => {
    app.use(
      '/lab',
      requireLogin,
      makeTunnel({ server: (req) => ({ url: `ws://${target}${req.url}` }) }),
      createProxyMiddleware({ target: `http://${target}` }),
    );
  });
  expect(await pageStatus(after.port, '/lab/tree?a=1', LOGIN)).toBe(200);
  expect(await pageStatus(after.port, '/lab/tree?a=1')).toBe(401);
  expect(await statusOf(after.port, '/lab/channels?b=2')).toBe(401);
  expect(urls).toHaveLength(1);
  const client = await openRaw(after.port, '/lab/channels?b=2', LOGIN);
  expect(urls[1]).toBe('/lab/channels?b=2');
  client.send(frame(1, 'text'));
  expect(await client.frame()).toMatchObject({ opcode: 1, payload: Buffer.from('text') });
});

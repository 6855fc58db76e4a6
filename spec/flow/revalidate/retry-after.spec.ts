import type { IncomingMessage, ServerResponse } from 'node:http';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import { expect, test } from 'vitest';
import { startHttp } from '../../support/servers.js';
import { sleep, until } from '../../support/wait.js';
import { echoTunnel, expectOpen, open, startBehind, type Marked } from './site.js';

/** Seconds between the first two checks, whose answers are `answer`. The first repetition usually comes after an eighth of `every`. */
async function pauseAfter(answer: (res: ServerResponse) => void, every = 3): Promise<number> {
  const times: number[] = [];
  const { port } = await startBehind(
    (_req, res) => {
      times.push(performance.now());
      answer(res);
    },
    { revalidate: every },
  );
  const client = await open(port);
  await until(() => times.length >= 2);
  await expectOpen(client);
  return (times[1]! - times[0]!) / 1000;
}

test.each([
  ['in writeHead', 429, (res: ServerResponse) => void res.writeHead(429, { 'Retry-After': '1' }).end()],
  [
    'as a set header',
    503,
    (res: ServerResponse) => {
      res.statusCode = 503;
      res.setHeader('retry-after', 1);
      res.end('a body');
    },
  ],
  [
    'as a date',
    429,
    (res: ServerResponse) => {
      // A date has whole seconds.
      res.writeHead(429, { 'Retry-After': new Date(Date.now() + 2000).toUTCString() }).end();
    },
  ],
])('no check comes before the Retry-After %s of a %i', async (_name, _status, answer) => {
  expect(await pauseAfter(answer)).toBeGreaterThan(0.95);
});

test('Retry-After of another status has no effect', async () => {
  expect(await pauseAfter((res) => void res.writeHead(500, { 'Retry-After': '3' }).end(), 4)).toBeLessThan(3);
});

test('Retry-After of an hour counts no more than an interval', async () => {
  const pause = await pauseAfter((res) => void res.writeHead(429, { 'Retry-After': '3600' }).end(), 0.5);
  expect(pause).toBeGreaterThan(0.45);
});

test('express-rate-limit: tunnels above the limit live, and wait for the window', async () => {
  const tunnel = await echoTunnel({ revalidate: 4 });
  const limited: number[] = [];
  const passed: number[] = [];
  const app = express().set('env', 'test');
  app.use('/tunnel', (req, res, next) => {
    if ((req as Marked).wstunnelCheck)
      res.once('close', () => (res.statusCode === 429 ? limited : passed).push(performance.now()));
    next();
  });
  // Only checks count: all but the first of each window are refused.
  const isPage = (req: IncomingMessage) => (req as Marked).wstunnelCheck !== true;
  app.use('/tunnel', rateLimit({ limit: 1, windowMs: 1500, skip: isPage }), tunnel);
  const { port } = await startHttp(app as never);
  const clients = await Promise.all(
    Array.from({ length: 3 }, (_, at) => open(port, {}, `/tunnel?number=${at}`)),
  );
  await until(() => limited.length >= 1 && passed.length >= 3);
  await sleep(50);
  for (const client of clients) await expectOpen(client);
});

import type { IncomingMessage } from 'node:http';
import cookieSession from 'cookie-session';
import express from 'express';
import { rateLimit } from 'express-rate-limit';
import helmet from 'helmet';
import morgan from 'morgan';
import { describe, expect, test } from 'vitest';
import { pageRequest, RawClient, requestTunnel } from '../../support/raw-client.js';
import { startHttp } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { closeOf, echoTunnel, EVERY, expectOpen, open, type Marked } from './site.js';

describe('the usual middleware', () => {
  test('a rate limit lets the tunnels live, and can skip the checks', async () => {
    for (const skips of [true, false]) {
      const tunnel = await echoTunnel();
      let checks = 0;
      const app = express();
      app.use('/tunnel', (req, _res, next) => {
        if ((req as Marked).wstunnelCheck) checks++;
        next();
      });
      const skip = (req: IncomingMessage) => skips && (req as Marked).wstunnelCheck === true;
      app.use('/tunnel', rateLimit({ limit: 2, windowMs: 60_000, skip }), tunnel);
      const { port } = await startHttp(app as never);
      const client = await open(port);
      await until(() => checks >= 4);
      await expectOpen(client);
      const other = requestTunnel(port, '/tunnel');
      expect((await other.answer()).status).toBe(skips ? 101 : 429);
    }
  });

  test('helmet, body parsers, cookie-session and morgan pass the checks', async () => {
    const tunnel = await echoTunnel();
    const lines: string[] = [];
    let checks = 0;
    let isIn = true;
    const app = express();
    const skip = (req: IncomingMessage) => (req as Marked).wstunnelCheck === true;
    app.use(
      morgan(':method :url :status', { skip, stream: { write: (line) => void lines.push(line.trim()) } }),
    );
    app.use(helmet(), express.json(), express.urlencoded(), cookieSession({ secret: 'spec' }));
    app.get('/login', (req, res) => {
      (req as Marked).session = { name: 'ann' };
      res.end();
    });
    app.use('/tunnel', (req, res, next) => {
      if ((req as Marked).wstunnelCheck) checks++;
      if (isIn && (req as Marked).session?.name === 'ann') next();
      else res.sendStatus(401);
    });
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    const page = new RawClient(port);
    page.send(pageRequest('/login'));
    const { headers } = await page.answer();
    const cookie = (headers['set-cookie'] ?? '').match(/session(\.sig)?=[^;]*/g)?.join('; ') ?? '';
    const client = await open(port, { Cookie: cookie });
    await until(() => checks >= 3);
    await expectOpen(client);
    expect(lines).toEqual(['GET /login 200', 'GET /tunnel 101']);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test.each([
    ['always', 'GET /tunnel 101'],
    ['never', 'GET /tunnel -'],
  ] as const)('morgan logs each check without a skip, with touch: %s as "%s"', async (touch, line) => {
    const tunnel = await echoTunnel({ revalidate: { every: EVERY, touch } });
    const lines: string[] = [];
    const app = express();
    app.use(morgan(':method :url :status', { stream: { write: (text) => void lines.push(text.trim()) } }));
    app.use('/tunnel', tunnel);
    const { port } = await startHttp(app as never);
    await open(port);
    await until(() => lines.length >= 4);
    expect(lines.slice(1, 4)).toEqual([line, line, line]);
  });

  test('a token for one use opens a tunnel that lives if the app skips the token of checks', async () => {
    for (const skips of [true, false]) {
      const tunnel = await echoTunnel();
      const tokens = new Set(['once']);
      let checks = 0;
      const app = express();
      app.use('/tunnel', (req, res, next) => {
        const isCheck = (req as Marked).wstunnelCheck === true;
        if (isCheck) checks++;
        if ((isCheck && skips) || tokens.delete(req.query.token as string)) next();
        else res.sendStatus(403);
      });
      app.use('/tunnel', tunnel);
      const { port } = await startHttp(app as never);
      const client = await open(port, {}, '/tunnel?token=once');
      if (skips) {
        await until(() => checks >= 3);
        await expectOpen(client);
      } else expect(await closeOf(client)).toBe('1008 the login has ended');
    }
  });
});

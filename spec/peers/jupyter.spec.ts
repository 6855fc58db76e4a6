import { once } from 'node:events';
import express from 'express';
import session from 'express-session';
import { createProxyMiddleware } from 'http-proxy-middleware';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { ClosedInfo, Host, RefuseInfo, TunnelOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { execute, JUPYTER, resultIn, startJupyter, type Jupyter } from '../support/jupyter.js';
import { describeWith } from '../support/programs.js';
import { makeTunnel, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';

declare module 'express-session' {
  interface SessionData {
    jupyterUser: string;
  }
}

/** An app with a login by `/login`, and Jupyter below `/lab`. `host`: beside the URL. */
async function startSite(jupyter: Jupyter, host: () => Host, options: Partial<TunnelOptions> = {}) {
  const tunnel = makeTunnel({
    user: (req) => (req as express.Request).session.jupyterUser,
    server: (req) => ({ url: `ws://${jupyter.address}/lab${req.url}`, ...host() }),
    closeTimeout: 2,
    ...options,
  });
  const refused: RefuseInfo[] = [];
  const closed: ClosedInfo[] = [];
  tunnel.on('refuse', (info) => refused.push(info));
  tunnel.on('close', (info) => closed.push(info));
  const app = express().set('env', 'test');
  app.use(session({ secret: 's', resave: false, saveUninitialized: false }));
  app.post('/login', (req, res) => {
    req.session.jupyterUser = 'ann';
    res.sendStatus(204);
  });
  app.use(
    '/lab',
    (req, res, next) => (req.session.jupyterUser === undefined ? void res.sendStatus(401) : next()),
    tunnel,
    createProxyMiddleware({ target: `http://${jupyter.address}/lab` }),
  );
  const { port } = await startHttp(app);
  const answer = await fetch(`http://127.0.0.1:${port}/login`, { method: 'POST' });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? '';
  return { tunnel, refused, closed, port, cookie };
}

async function opened(port: number, path: string, headers: Record<string, string>) {
  const client = new WebSocket(`ws://127.0.0.1:${port}/lab${path}`, { headers });
  onCleanup(() => client.terminate());
  const messages: string[] = [];
  client.on('message', (data: Buffer) => messages.push(data.toString()));
  await once(client, 'open');
  return { client, messages };
}

/** The status of a refused handshake. */
async function refusedStatus(port: number, path: string, headers: Record<string, string>) {
  const client = new WebSocket(`ws://127.0.0.1:${port}/lab${path}`, { headers });
  client.on('error', () => undefined);
  const [, answer] = (await once(client, 'unexpected-response')) as [unknown, { statusCode: number }];
  client.terminate();
  return answer.statusCode;
}

const byToken =
  ({ token }: Jupyter) =>
  () => ({ headers: { Authorization: `token ${token}` } });

describeWith(...JUPYTER)('issue 18: Jupyter behind the login of an app', () => {
  test('a kernel runs code, compressed, until end() closes the WebSocket', { timeout: 60_000 }, async () => {
    const jupyter = await startJupyter();
    const path = await jupyter.startKernel();
    const { tunnel, port, cookie, closed } = await startSite(jupyter, byToken(jupyter));
    expect(await refusedStatus(port, path, {})).toBe(401);
    expect((await fetch(`http://127.0.0.1:${port}/lab/api`)).status).toBe(401);
    const pages = await fetch(`http://127.0.0.1:${port}/lab/api`, { headers: { Cookie: cookie } });
    expect(await pages.json()).toHaveProperty('version');

    const { client, messages } = await opened(port, path, { Cookie: cookie });
    expect(client.extensions).toContain('permessage-deflate');
    client.send(execute('1+1'));
    expect(await resultIn(messages)).toBe('2');
    expect(tunnel.tunnels()).toMatchObject([{ user: 'ann' }]);

    const ended = once(client, 'close');
    expect(tunnel.end(({ user }) => user === 'ann', 1008, 'logged out')).toBe(1);
    const [code, reason] = (await ended) as [number, Buffer];
    expect([code, String(reason)]).toEqual([1008, 'logged out']);
    await until(() => closed.length === 1);
    expect(closed).toMatchObject([{ cause: 'ended-by-app', code: 1008 }]);
    // Jupyter has closed its side: it counts the connections of a kernel.
    await until(async () => {
      const kernels = await fetch(`http://${jupyter.address}/lab/api/kernels`, {
        headers: { Authorization: `token ${jupyter.token}` },
      });
      const [kernel] = (await kernels.json()) as { connections: number }[];
      return kernel?.connections === 0;
    });
  });

  test('a terminal runs a shell', { timeout: 60_000 }, async () => {
    const jupyter = await startJupyter();
    const { port, cookie } = await startSite(jupyter, byToken(jupyter));
    const { client, messages } = await opened(port, await jupyter.startTerminal(), { Cookie: cookie });
    client.send(JSON.stringify(['set_size', 30, 100]));
    client.send(JSON.stringify(['stdin', 'echo pid-$((6*7))-; stty size\r']));
    await until(() => /pid-42-/.test(messages.join('')) && /30 100/.test(messages.join('')));
  });

  test('its own 403 for a wrong token or origin reaches the client', { timeout: 60_000 }, async () => {
    const jupyter = await startJupyter();
    const path = await jupyter.startKernel();
    const wrong = await startSite(jupyter, () => ({ headers: { Authorization: 'token wrong-secret' } }));
    expect(await refusedStatus(wrong.port, path, { Cookie: wrong.cookie })).toBe(403);
    expect(wrong.refused).toMatchObject([{ status: 403 }]);
    expect(JSON.stringify(wrong.refused)).not.toContain('wrong-secret');
    expect(wrong.tunnel.stats().backends.every(({ up }) => up)).toBe(true);

    // With a token Jupyter checks no origin, with its own cookie it does.
    let own = '';
    const site = await startSite(jupyter, () => ({ headers: { Cookie: own } }), { origins: '*' });
    const page = await fetch(`http://127.0.0.1:${site.port}/lab/tree?token=${jupyter.token}`, {
      headers: { Cookie: site.cookie },
      redirect: 'manual',
    });
    own = page.headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
    const asPage = { Cookie: site.cookie, Origin: `http://127.0.0.1:${site.port}` };
    const { client, messages } = await opened(site.port, path, asPage);
    client.send(execute('2+3'));
    expect(await resultIn(messages)).toBe('5');
    expect(await refusedStatus(site.port, path, { ...asPage, Origin: 'http://elsewhere.test' })).toBe(403);
    await jupyter.program.prints(/Blocking Cross Origin WebSocket Attempt/);
    expect(site.refused).toMatchObject([{ code: 'WSTUNNEL_BACKEND_ANSWERED', status: 403 }]);
  });

  test('a Close of Jupyter reaches the client when its terminal ends', { timeout: 60_000 }, async () => {
    const jupyter = await startJupyter();
    const { port, cookie, closed } = await startSite(jupyter, byToken(jupyter));
    const { client, messages } = await opened(port, await jupyter.startTerminal(), { Cookie: cookie });
    await until(() => messages.join('').includes('setup'));
    const ended = once(client, 'close');
    client.send(JSON.stringify(['stdin', 'exit\r']));
    // Its Close has no code.
    expect((await ended)[0]).toBe(1005);
    await until(() => closed.length === 1);
    expect(closed).toMatchObject([{ code: 1005, cause: 'backend-closed' }]);
  });
});

import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect as connectTls } from 'node:tls';
import connectApp from 'connect';
import express, { type Express, type RequestHandler } from 'express';
import express4 from 'express4';
import session from 'express-session';
import helmet from 'helmet';
import morgan from 'morgan';
import { expect, test } from 'vitest';
import type { Tunnel } from '../../../src/index.js';
import { certificate } from '../../support/certificate.js';
import { connectHttp2, openOverHttp2, startHttp2 } from '../../support/http2.js';
import { startHttp } from '../../support/servers.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, cookiesOf, echoTunnel, EVERY, expectOpen, open, type Marked } from './site.js';

type Middleware = (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => unknown;

/** Logger, headers, sessions, pages for login and logout, and the guard of the tunnel. */
function middlewares(onCheck: () => void): Middleware[] {
  const pages: RequestHandler = (req, res, next) => {
    if (req.url === '/login') req.session.name = 'ann';
    if (req.url === '/login') res.end('in');
    else if (req.url === '/logout') req.session.destroy(() => res.end('out'));
    else next();
  };
  const guard: RequestHandler = (req, res, next) => {
    if ((req as Marked).wstunnelCheck) onCheck();
    if (req.session.name !== undefined) next();
    else res.writeHead(401).end();
  };
  const sessions = session({ secret: 'spec', resave: false, saveUninitialized: false });
  return [
    morgan('tiny', { stream: { write: () => undefined } }),
    helmet(),
    sessions,
    pages,
    guard,
  ] as Middleware[];
}

/** The middlewares one after another, as in an app without framework. */
function chain(all: readonly Middleware[], tunnel: Tunnel): RequestListener {
  return (req, res) => {
    const from = (at: number): void => {
      const one = all[at];
      if (one) one(req, res, (error) => (error ? res.writeHead(500).end() : from(at + 1)));
      else tunnel(req, res, () => res.writeHead(404).end());
    };
    from(0);
  };
}

const inExpress = (make: () => Express) => (all: Middleware[], tunnel: Tunnel) => {
  const app = make().set('env', 'test');
  for (const one of all) app.use(one as RequestHandler);
  return app.use('/tunnel', tunnel) as unknown as RequestListener;
};
const inConnect = (all: Middleware[], tunnel: Tunnel): RequestListener => {
  const app = connectApp();
  for (const one of all) app.use(one as never);
  return app.use('/tunnel', tunnel as never);
};

const stacks: [string, (all: Middleware[], tunnel: Tunnel) => RequestListener, isHttp2?: true][] = [
  ['Express 5', inExpress(express)],
  ['Express 4', inExpress(express4)],
  ['Connect', inConnect],
  ['plain http', chain],
  ['Express 5 over HTTP/2', inExpress(express), true],
  ['plain HTTP/2', chain, true],
];

test.each(stacks)('a logout ends the tunnel, and nothing before: %s', async (_name, make, isHttp2) => {
  const tunnel = await echoTunnel({ user: (req: Marked) => req.session?.name });
  const tls = { ca: certificate().cert };
  let checks = 0;
  const listener = make(
    middlewares(() => checks++),
    tunnel,
  );
  const { server, port } = isHttp2 ? await startHttp2(listener) : await startHttp(listener);
  tunnel.attach(server, { path: '/tunnel' });

  // Over HTTP/1.1 in any case: express-session can't answer a page of node:http2.
  const page = (path: string, cookie?: string) =>
    cookiesOf(isHttp2 ? connectTls({ port, host: '127.0.0.1', ...tls }) : port, path, cookie);
  const cookie = await page('/login');
  const client = isHttp2
    ? await openOverHttp2(await connectHttp2(port), '/tunnel', { cookie })
    : await open(port, { Cookie: cookie });
  await until(() => checks >= 3);
  await sleep(EVERY * 1000);
  await expectOpen(client);
  const ended = closed(tunnel);
  await page('/logout', cookie);
  expect(await closeOf(client)).toBe('1008 the login has ended');
  expect(await ended).toMatchObject({ cause: 'login-ended', user: 'ann' });
});

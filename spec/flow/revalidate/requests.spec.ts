import { createSecureServer } from 'node:http2';
import connectApp from 'connect';
import express from 'express';
import { describe, expect, test } from 'vitest';
import { certificate } from '../../support/certificate.js';
import { connectHttp2, openOverHttp2 } from '../../support/http2.js';
import { requestTunnel } from '../../support/raw-client.js';
import { listen, portOf, startHttp } from '../../support/servers.js';
import { until } from '../../support/wait.js';
import { closeOf, echoTunnel, expectOpen, open, startBehind, type Marked } from './site.js';

describe('the request of a check', () => {
  test('has the method, URL, headers and addresses of the opening request, and no body', async () => {
    const seen: unknown[] = [];
    const tell = (req: Marked) => {
      const { method, url, headers, rawHeaders, httpVersion, complete, socket } = req;
      const { remoteAddress, remotePort, localAddress, localPort } = socket;
      const from = { remoteAddress, remotePort, localAddress, localPort };
      seen.push({ method, url, headers: { ...headers }, rawHeaders, httpVersion, complete, ...from });
    };
    const tunnel = await echoTunnel();
    const { port, server } = await startHttp((req: Marked, res) => {
      tell(req);
      tunnel(req, res, () => res.end());
    });
    tunnel.attach(server);
    const headers = { Cookie: ['a=1', 'b=2'], 'X-Name': 'M\u00fcller' };
    const client = requestTunnel(port, '/tunnel?token=secret', headers);
    expect((await client.answer()).status).toBe(101);
    await until(() => seen.length >= 3);
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[2]).toEqual(seen[0]);
  });

  test("has the app's own properties of the tunnel's socket, for a login of the connection", async () => {
    interface Login {
      user?: string;
    }
    const sockets: (Marked['socket'] & Login)[] = [];
    const { port, server, tunnel, checks } = await startBehind((req, res, reach) => {
      const login: Login = req.socket as Login;
      if (login.user === undefined) {
        res.writeHead(401).end();
        return;
      }
      reach();
      login.user = 'of the check';
      expect(login.user).toBe('of the check');
    });
    server.on('connection', (socket) => sockets.push(Object.assign(socket, { user: 'ann' })));
    const ann = await open(port);
    const bob = await open(port);
    await until(() => checks.length >= 6);
    await expectOpen(ann);
    expect(sockets.map(({ user }) => user)).toEqual(['ann', 'ann']);
    // Each with a check of its own, although their requests are the same.
    delete sockets[1]!.user;
    expect(await closeOf(bob)).toBe('1008 the login has ended');
    await expectOpen(ann);
    expect(tunnel.stats().open).toBe(1);
  });

  test('reads as empty for a middleware that reads the body', async () => {
    let bodies = 0;
    const { port, tunnel } = await startBehind((req, _res, reach) => {
      req.resume().once('end', () => {
        bodies++;
        reach();
      });
    });
    const client = await open(port);
    await until(() => bodies >= 3);
    await expectOpen(client);
    expect(tunnel.stats().open).toBe(1);
  });

  test('ends the tunnel over Connect', async () => {
    const tunnel = await echoTunnel();
    let isIn = true;
    const app = connectApp();
    app.use((_req, res, next) => {
      if (isIn) next();
      else res.writeHead(302, { Location: '/login' }).end();
    });
    app.use('/tunnel', tunnel as never);
    const { port } = await startHttp(app);
    const client = await open(port);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });

  test('ends the tunnel over HTTP/2', async () => {
    const tunnel = await echoTunnel();
    let isIn = true;
    let checks = 0;
    const app = express().use('/tunnel', (req, res, next) => {
      expect((req.socket as { encrypted?: boolean }).encrypted).toBe(true);
      if ((req as Marked).wstunnelCheck) checks++;
      if (isIn) next();
      else res.sendStatus(403);
    });
    app.use('/tunnel', tunnel);
    const server = createSecureServer({ ...certificate(), allowHTTP1: true }, app as never);
    await listen(server);
    const client = await openOverHttp2(await connectHttp2(portOf(server)), '/tunnel');
    await until(() => checks >= 3);
    await expectOpen(client);
    isIn = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
  });
});

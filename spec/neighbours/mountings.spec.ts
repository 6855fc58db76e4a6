import { createServer, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import express from 'express';
import express4 from 'express4';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { listen, makeTunnel, portOf, startEcho } from '../support/servers.js';

type Make = typeof express;
type Handler = express.RequestHandler;

/** A guard like an app's login. The other listener would accept every client. */
const guard: Handler = (req, res, next) => {
  if (req.headers.cookie === 'in') next();
  else res.sendStatus(401);
};

/** Adds another listener to the server: the listener answers every upgrade. */
function neighbour(server: Server): void {
  server.on('upgrade', (_req, socket: Duplex) => {
    socket.on('error', () => undefined);
    socket.end('HTTP/1.1 101 Neighbour\r\n\r\n');
  });
}

async function serve(app: express.Express): Promise<number> {
  const server = createServer(app);
  neighbour(server);
  await listen(server);
  return portOf(server);
}

const versions: [string, Make, string][] = [
  ['Express 5', express, '/deep/*rest'],
  ['Express 4', express4, '/deep/*'],
];

describe.each(versions)(
  'issue 12, case 21: a tunnel on a route beside another upgrade listener, %s',
  (_version, make, wildcard) => {
    test.each<[string, string, (tunnel: Tunnel) => express.Express]>([
      ['app.use', '/vnc', (tunnel) => make().use('/vnc', guard, tunnel)],
      ['app.get', '/vnc', (tunnel) => make().get('/vnc', guard, tunnel)],
      ['app.all', '/vnc', (tunnel) => make().all('/vnc', guard, tunnel)],
      ['a list of handlers', '/vnc', (tunnel) => make().get('/vnc', [guard, tunnel])],
      [
        'route().get',
        '/vnc',
        (tunnel) => {
          const app = make();
          app.route('/vnc').get(guard, tunnel);
          return app;
        },
      ],
      [
        'route().all().get',
        '/vnc',
        (tunnel) => {
          const app = make();
          app.route('/vnc').all(guard).get(tunnel);
          return app;
        },
      ],
      ['a router', '/vnc', (tunnel) => make().use('/vnc', guard, make.Router().use(tunnel))],
      [
        'a route of a router',
        '/a/vnc',
        (tunnel) => make().use('/a', make.Router().get('/vnc', guard, tunnel)),
      ],
      [
        'nested routers',
        '/a/b/vnc',
        (tunnel) => make().use('/a', make.Router().use('/b', make.Router().all('/vnc', guard, tunnel))),
      ],
      ['a parameter', '/desk/7', (tunnel) => make().get('/desk/:id', guard, tunnel)],
      [
        'a parameter of a router',
        '/7/vnc',
        (tunnel) => make().use('/:id', make.Router().get('/vnc', guard, tunnel)),
      ],
      ['a regular expression', '/vnc7', (tunnel) => make().get(/^\/vnc\d$/, guard, tunnel)],
      ['a regular expression of use', '/vnc7/x', (tunnel) => make().use(/^\/vnc\d/, guard, tunnel)],
      ['a wildcard', '/deep/vnc', (tunnel) => make().get(wildcard, guard, tunnel)],
      ['a list of paths', '/two', (tunnel) => make().get(['/one', '/two'], guard, tunnel)],
      ['another case', '/VNC', (tunnel) => make().get('/vnc', guard, tunnel)],
      ['a slash at the end', '/vnc/', (tunnel) => make().get('/vnc', guard, tunnel)],
      ['a mounted app', '/a/vnc', (tunnel) => make().use('/a', make().get('/vnc', guard, tunnel))],
      [
        'an app mounted within an app',
        '/a/b/vnc',
        (tunnel) => make().use('/a', make().use('/b', make().use('/vnc', guard, tunnel))),
      ],
    ])('%s: the tunnel gets its upgrades, behind the login', async (_mounting, path, appWith) => {
      const { port: backend } = await startEcho();
      const port = await serve(appWith(makeTunnel({ server: { port: backend } })));
      const outside = await requestTunnel(port, path).answer();
      expect(outside.status).toBe(401);
      const client = await openRaw(port, path, { Cookie: 'in' });
      client.send(frame(2, 'hello'));
      expect((await client.payload(5)).toString()).toBe('hello');
      const other = await requestTunnel(port, '/').answer();
      expect(other.header).toContain('101 Neighbour');
    });

    test.each<[string, (tunnel: Tunnel) => express.Express]>([
      ['app.post', (tunnel) => make().post('/vnc', tunnel)],
      ['a longer path', (tunnel) => make().get('/vnc/:id', tunnel)],
    ])('%s: no upgrade reaches the tunnel, and the other listener gets it', async (_mounting, appWith) => {
      const port = await serve(appWith(makeTunnel({ server: { port: 1 } })));
      const { header } = await requestTunnel(port, '/vnc').answer();
      expect(header).toContain('101 Neighbour');
    });
  },
);

describe('issue 12, case 15: attach() compares its path as the router does', () => {
  const statusLineOf = async (app: express.Express, path: string): Promise<string> => {
    const tunnel = makeTunnel({ server: { port: 1 } });
    const hidden: Handler = (req, res, next) => tunnel(req, res, next);
    app.use('/vnc', guard, hidden);
    const server = createServer(app);
    neighbour(server);
    tunnel.attach(server, { path: '/vnc', exclusive: true });
    await listen(server);
    const { header } = await requestTunnel(portOf(server), path).answer();
    return header.split('\r\n')[0] ?? '';
  };

  test.each(['/vnc', '/VNC', '/Vnc/x'])('%s is guarded', async (path) => {
    expect(await statusLineOf(express(), path)).toBe('HTTP/1.1 401 Unauthorized');
    expect(await statusLineOf(express4() as express.Express, path)).toBe('HTTP/1.1 401 Unauthorized');
  });

  test('with "case sensitive routing" a path in another case is a different path', async () => {
    const app = express().enable('case sensitive routing') as express.Express;
    expect(await statusLineOf(app, '/VNC')).toBe('HTTP/1.1 101 Neighbour');
  });
});

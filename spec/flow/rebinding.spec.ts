import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { connect, createServer as createNet, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import express, { type Express } from 'express';
import { describe, expect, test } from 'vitest';
import type { RefuseInfo, TunnelOptions } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith, Program } from '../support/programs.js';
import { handshake, RawClient, requestTunnel } from '../support/raw-client.js';
import { accepts, closedPort, makeTunnel, portOf, startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';

interface Setting {
  readonly host?: string;
  readonly options?: Partial<TunnelOptions>;
  readonly configure?: (app: Express) => void;
  readonly makeServer?: (app: Express) => Server;
}

/** A tunnel on a server that is bound to one address. */
async function start({
  host = '127.0.0.1',
  options = {},
  configure,
  makeServer = createServer,
}: Setting = {}) {
  const { port: target } = await startEcho();
  const tunnel = makeTunnel({ server: { port: target }, ...options });
  const app = express();
  app.set('env', 'test');
  configure?.(app);
  app.use('/tunnel', tunnel);
  const server = makeServer(app).listen(0, host);
  onCleanup(() => server.close());
  await once(server, 'listening');
  return { tunnel, port: portOf(server) };
}

async function statusUnder(client: RawClient, host: string, headers: Record<string, string> = {}) {
  client.send(handshake('/tunnel', { Host: host, Origin: `http://${host}`, ...headers }));
  const { status } = await client.answer();
  client.socket.destroy();
  return status;
}

describe("issue 13, case 16: DNS rebinding and `origins: 'same'`", () => {
  test.each(['127.0.0.1', '127.1.2.3', 'localhost'])(
    'a page under a foreign host name is refused on %s',
    async (host) => {
      const { port } = await start({ host });
      const dial = () => new RawClient(connect(port, host));
      const foreign = [
        'evil.example',
        'desk.lan',
        'localhost.evil.example',
        'notlocalhost',
        '127.0.0.1.nip.io',
      ];
      for (const name of foreign) expect(await statusUnder(dial(), `${name}:${port}`), name).toBe(403);
      for (const own of ['127.0.0.1', 'localhost', 'LOCALHOST', 'desk.localhost', '[::1]', '192.0.2.7'])
        expect(await statusUnder(dial(), `${own}:${port}`), own).toBe(101);
    },
  );

  test("the refusal's event says what to do, its answer does not", async () => {
    const { port, tunnel } = await start();
    const refused = once(tunnel, 'refuse') as Promise<[RefuseInfo]>;
    const client = requestTunnel(port, '/tunnel', { Host: 'evil.example', Origin: 'http://evil.example' });
    expect((await client.answer()).status).toBe(403);
    expect((await client.rest()).toString()).toBe('pages of this origin may not open this tunnel\n');
    const [{ code, reason }] = await refused;
    expect(code).toBe('WSTUNNEL_ORIGIN_REFUSED');
    expect(reason).toContain(
      'Origin http://evil.example is not a loopback name: a site can point its name at this machine',
    );
    expect(reason).toContain("set origins: ['http://evil.example'], or `trust proxy`");
  });

  test('a name in `origins` is accepted', async () => {
    const { port } = await start({ options: { origins: ['http://desk.lan'] } });
    expect(await statusUnder(new RawClient(port), 'desk.lan')).toBe(101);
    expect(await statusUnder(new RawClient(port), 'evil.example')).toBe(403);
  });

  test('the names of a trusted proxy are accepted', async () => {
    const { port } = await start({ configure: (app) => app.set('trust proxy', 'loopback') });
    expect(await statusUnder(new RawClient(port), 'desk.example')).toBe(101);
    const other = await start({ configure: (app) => app.set('trust proxy', '192.0.2.1') });
    expect(await statusUnder(new RawClient(other.port), 'desk.example')).toBe(403);
  });

  test.each(['X-Forwarded-For', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Real-IP', 'Forwarded', 'Via'])(
    'a request with %s came through a proxy, since no page can send that header',
    async (header) => {
      const { port } = await start();
      expect(await statusUnder(new RawClient(port), 'desk.example', { [header]: 'x' })).toBe(101);
      const foreign = { [header]: 'x', Origin: 'http://evil.example' };
      expect(await statusUnder(new RawClient(port), 'desk.example', foreign)).toBe(403);
    },
  );

  test('an https page on a plain connection is accepted, since a proxy ended TLS', async () => {
    const { port } = await start();
    expect(await statusUnder(new RawClient(port), 'desk.example', { Origin: 'https://desk.example' })).toBe(
      101,
    );
  });

  test('over TLS the name is not checked, since the browser compared it with the certificate', async () => {
    const { key, cert } = certificate();
    const { port } = await start({ makeServer: (app) => createHttps({ key, cert }, app) });
    const dial = () => new RawClient(connectTls({ port, host: '127.0.0.1', ca: cert }));
    const page = (host: string) => statusUnder(dial(), host, { Origin: `https://${host}` });
    expect(await page('desk.example')).toBe(101);
  });

  test.each(['0.0.0.0', '::'])('on %s the name is not checked', async (host) => {
    const { port } = await start({ host });
    expect(await statusUnder(new RawClient(port), `desk.lan:${port}`)).toBe(101);
  });

  test("the connection's address counts where the http server does not listen itself", async () => {
    const makeServer = (app: Express) => {
      const http = createServer(app);
      return createNet((socket) => http.emit('connection', socket));
    };
    const { port } = await start({ makeServer });
    expect(await statusUnder(new RawClient(port), `evil.example:${port}`)).toBe(403);
    expect(await statusUnder(new RawClient(port), `localhost:${port}`)).toBe(101);
    const forwarded = { 'X-Forwarded-For': '192.0.2.1' };
    expect(await statusUnder(new RawClient(port), 'desk.example', forwarded)).toBe(101);
    const everywhere = await start({ makeServer, host: '::' });
    expect(await statusUnder(new RawClient(everywhere.port), `evil.example:${everywhere.port}`)).toBe(403);
  });

  test('a client without an Origin header is accepted', async () => {
    const { port } = await start();
    const client = requestTunnel(port, '/tunnel', { Host: 'desk.example' });
    expect((await client.answer()).status).toBe(101);
    client.socket.destroy();
  });
});

describeWith('nginx')('issue 13, case 16: behind nginx without TLS', () => {
  /** One nginx server for each set of added headers, in front of one app on loopback. */
  async function startNginx(app: number, headers: string): Promise<number> {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-nginx-'));
    onCleanup(() => rm(folder, { recursive: true, force: true }));
    const port = await closedPort();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${folder}/${name};`)
      .join(' ');
    const proxy = `proxy_pass http://127.0.0.1:${app}; proxy_http_version 1.1;`;
    const upgrade = 'proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;';
    await writeFile(
      join(folder, 'nginx.conf'),
      `daemon off; master_process off; pid ${folder}/pid; error_log stderr error;
       events { worker_connections 64; }
       http { access_log off; ${temporary}
         server { listen 127.0.0.1:${port}; location / { ${proxy} ${upgrade} ${headers} } } }`,
    );
    new Program('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr']);
    await holds(async () => expect(await accepts({ port })).toBe(true));
    return port;
  }

  const HOST = 'proxy_set_header Host $http_host;';

  test('a page needs a name in `origins` or `trust proxy` where nginx sends Host only', async () => {
    const bare = await startNginx((await start()).port, HOST);
    expect(await statusUnder(new RawClient(bare), 'desk.example')).toBe(403);
    const named = await start({ options: { origins: ['http://desk.example'] } });
    expect(await statusUnder(new RawClient(await startNginx(named.port, HOST)), 'desk.example')).toBe(101);
    const trusting = await start({ configure: (app) => app.set('trust proxy', 'loopback') });
    expect(await statusUnder(new RawClient(await startNginx(trusting.port, HOST)), 'desk.example')).toBe(101);
  });

  test('a page needs neither where nginx sends X-Forwarded-For', async () => {
    const { port } = await start();
    const proxy = await startNginx(port, `${HOST} proxy_set_header X-Forwarded-For $remote_addr;`);
    expect(await statusUnder(new RawClient(proxy), 'desk.example')).toBe(101);
    expect(await statusUnder(new RawClient(proxy), 'desk.example', { Origin: 'http://evil.example' })).toBe(
      403,
    );
  });
});

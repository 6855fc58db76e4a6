import type { LookupAddress } from 'node:dns';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { duplexPair, type Duplex } from 'node:stream';
import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import {
  TunnelError,
  wstunnel,
  type RefuseInfo,
  type TunnelOptions,
  type VncOptions,
} from '../../src/index.js';
import { fileRecorder, player, RecordingReader } from '../../src/record/index.js';
import { tokenServer } from '../../src/tokens/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { connectHttp2, openOverHttp2, startHttp2Tunnel } from '../support/http2.js';
import { watchDials } from '../support/leftovers.js';
import { frame, openRaw, requestTunnel, statusOf, type RawClient } from '../support/raw-client.js';
import { makeTunnel, startApp, startBackend, startTunnel } from '../support/servers.js';
import { Marked, node } from '../support/spawned.js';
import { PASSWORD, SERVER_INIT, startVncServer, VncServer } from '../support/vnc-desk.js';
import { until } from '../support/wait.js';

const VERSION = 'RFB 003.008\n';
const KEY = Buffer.from('0401000000000061', 'hex');
const POINTER = Buffer.from('050100010001', 'hex');
const UPDATE = Buffer.from('03000000000000080008', 'hex');

/** A page's handshake with a server that offers None; resolves after ServerInit. */
async function greet(client: RawClient, shared = 1): Promise<RawClient> {
  expect((await client.payload(12)).toString()).toBe(VERSION);
  client.send(frame(2, VERSION));
  expect([...(await client.payload(2))]).toEqual([1, 1]);
  client.send(frame(2, Buffer.from([1])));
  expect([...(await client.payload(4))]).toEqual([0, 0, 0, 0]);
  client.send(frame(2, Buffer.from([shared])));
  expect(await client.payload(SERVER_INIT.length)).toEqual(SERVER_INIT);
  return client;
}

async function startVnc(vnc: TunnelOptions['vnc'], options: Partial<TunnelOptions> = {}) {
  const server = await startVncServer();
  const site = await startTunnel({ server: { port: server.port }, ...(vnc && { vnc }), ...options });
  return { ...site, desk: server };
}

function refusals(tunnel: {
  on(event: 'refuse', listener: (info: RefuseInfo) => void): unknown;
}): RefuseInfo[] {
  const all: RefuseInfo[] = [];
  tunnel.on('refuse', (info) => all.push(info));
  return all;
}

describe('a password', () => {
  test('logs in before the 101, and the page is offered None', async () => {
    const { desk, port, tunnel } = await startVnc({ password: PASSWORD });
    const client = await greet(await openRaw(port), 0);
    expect(desk.last.shared).toBe(0);
    client.send(frame(2, KEY));
    await until(() => desk.last.messages.equals(KEY));
    expect(tunnel.tunnels()).toMatchObject([{ viewOnly: false }]);
  });

  test('comes from a function, which gets a signal', async () => {
    const { port } = await startVnc({
      password: async (signal) => {
        expect(signal).toBeInstanceOf(AbortSignal);
        return Promise.resolve(PASSWORD);
      },
    });
    await greet(await openRaw(port));
  });

  test('that is rejected refuses with 502, marks no host as down, and is not tried again at once', async () => {
    const { desk, port, tunnel } = await startVnc({ password: 'wrong' });
    const seen = refusals(tunnel);
    const first = await requestTunnel(port).answer();
    const second = await requestTunnel(port).answer();
    expect([first.status, second.status]).toEqual([502, 502]);
    expect(Number(second.headers['retry-after'])).toBeGreaterThan(0);
    expect(desk.attempts).toBe(1);
    expect(seen[0]).toMatchObject({ code: 'WSTUNNEL_VNC_REFUSED', backend: `127.0.0.1:${desk.port}` });
    expect(seen[0]?.failure).toContain('wrong password');
    expect(tunnel.stats().backends).toMatchObject([{ up: true }]);
    expect(JSON.stringify(seen)).not.toContain('"wrong"');
  });

  test('that is rejected reaches the page as a Close under refuseWith close', async () => {
    const { port } = await startVnc({ password: 'wrong' }, { refuseWith: 'close' });
    const client = await openRaw(port);
    expect(await client.close()).toMatchObject({
      code: 4502,
      reason: expect.stringContaining('password') as string,
    });
  });

  test('cannot answer another kind of login: the refusal has its name, and no other host is tried', async () => {
    const [apple, other] = [await startVncServer({ security: 30 }), await startVncServer()];
    const site = await startTunnel({
      server: [{ port: apple.port }, { port: other.port, backup: true }],
      vnc: { password: PASSWORD },
    });
    const seen = refusals(site.tunnel);
    expect(await statusOf(site.port)).toBe(502);
    expect(seen[0]?.reason).toContain('Apple authentication (type 30)');
    expect(other.attempts).toBe(0);
  });

  test('with a user passes VeNCrypt over TLS with the certificate of the host', async () => {
    const server = await startVncServer({ security: 'vencrypt' });
    const { cert } = certificate();
    const host = { host: 'localhost', port: server.port, tls: { ca: cert } };
    const site = await startTunnel({ server: host, vnc: { username: 'ann', password: PASSWORD } });
    const client = await greet(await openRaw(site.port));
    client.send(frame(2, KEY));
    await until(() => server.last.messages.equals(KEY));
    const untrusted = await startTunnel({
      server: { ...host, tls: true },
      vnc: { username: 'ann', password: PASSWORD },
    });
    expect(await statusOf(untrusted.port)).toBe(502);
    expect(server.connections).toHaveLength(1);
  });

  test('works for a stream of the app, which server or connect gives', async () => {
    for (const give of ['server', 'connect']) {
      const desk = new VncServer();
      const stream = (): Duplex => {
        const [near, far] = duplexPair();
        desk.serve(far);
        return near;
      };
      const site = await startTunnel({
        server: give === 'server' ? stream : { connect: stream },
        vnc: { password: PASSWORD },
      });
      const client = await greet(await openRaw(site.port));
      client.send(frame(2, KEY));
      await until(() => desk.last.messages.equals(KEY));
    }
  });

  test('works for a program that the tunnel starts, and over HTTP/2', async () => {
    const marked = new Marked();
    const rfb = `
      const serve = (s) => {
        let at = 0;
        const steps = [() => Buffer.from([1, 1]), () => Buffer.alloc(4), () => Buffer.from('desk')];
        s.on('error', () => {});
        s.on('data', () => at < 3 && s.write(steps[at++]()));
        s.write('RFB 003.008\\n');
      };
      require('net').createServer(serve).listen(process.env.WSTUNNEL_SOCKET);`;
    const { port } = await startHttp2Tunnel({
      server: { spawn: marked.mark(node(rfb, { handOver: false })) },
      vnc: { password: PASSWORD, viewOnly: true },
    });
    const client = await openOverHttp2(await connectHttp2(port));
    expect((await client.payload(12)).toString()).toBe(VERSION);
    client.send(frame(2, Buffer.from(`${VERSION}\x01\x01`)));
    expect((await client.payload(10)).subarray(6).toString()).toBe('desk');
    client.socket.destroy();
  });

  test('holds for a backend that is silent: 504 after connectTimeout', async () => {
    let ended = false;
    const silent = await startBackend((socket) => socket.on('end', () => (ended = true)));
    const site = await startTunnel({
      server: { port: silent.port, connectTimeout: 0.3 },
      vnc: { password: PASSWORD },
    });
    expect(await statusOf(site.port)).toBe(504);
    await until(() => ended);
  });

  const dead: [string, (socket: Socket) => void][] = [
    ['is silent', () => undefined],
    ['closes each connection', (socket) => socket.end()],
  ];

  test.each(dead)(
    'of a list: a backend that %s is down, and the next is used at once',
    async (_name, serve) => {
      const [silent, desk] = [await startBackend(serve), await startVncServer()];
      const { port, tunnel } = await startTunnel({
        server: [
          { port: silent.port, connectTimeout: 0.3, disableTime: 60 },
          { port: desk.port, backup: true },
        ],
        vnc: { password: PASSWORD },
      });
      await greet(await openRaw(port));
      expect(tunnel.stats().backends).toMatchObject([{ up: false }, { up: true }]);
      const dials = watchDials();
      await greet(await openRaw(port));
      expect([...dials].filter(({ remotePort }) => remotePort === silent.port)).toEqual([]);
    },
  );

  test('shares one connectTimeout with the connection', async () => {
    let connected = false;
    const silent = await startBackend(() => (connected = true));
    const lookup = (_name: string, _options: object, done: (error: null, found: LookupAddress[]) => void) =>
      void setTimeout(() => done(null, [{ address: '127.0.0.1', family: 4 }]), 1500);
    const site = await startTunnel({
      server: { host: 'slow.test', port: silent.port, connectTimeout: 2, lookup },
      vnc: { password: PASSWORD },
    });
    const start = performance.now();
    expect(await statusOf(site.port)).toBe(504);
    expect(performance.now() - start).toBeLessThan(3000);
    expect(connected).toBe(true);
  });

  test('is in no printed settings, and in no recording', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vnc-'));
    onCleanup(() => rmSync(folder, { recursive: true }));
    const { port, tunnel } = await startVnc(
      { password: PASSWORD },
      { record: fileRecorder({ folder, direction: 'both' }) },
    );
    expect(inspect(tunnel, { depth: 20, showHidden: true })).not.toContain(PASSWORD);
    const client = await greet(await openRaw(port));
    const closed = once(tunnel, 'close');
    client.socket.destroy();
    await closed;
    await tunnel.close();
    const [name = ''] = readdirSync(folder);
    const reader = await RecordingReader.open(join(folder, name));
    onCleanup(() => reader.close());
    const out: Buffer[] = [];
    for await (const { direction, bytes } of reader.records())
      if (direction === 'out') out.push(Buffer.from(bytes));
    const handshake = Buffer.concat([Buffer.from(VERSION), Buffer.from([1, 1, 0, 0, 0, 0]), SERVER_INIT]);
    expect(Buffer.concat(out)).toEqual(handshake);
    // A page plays the recording, without a password.
    const playing = await startTunnel({ server: player(join(folder, name), { speed: Infinity }) });
    await greet(await openRaw(playing.port));
  });
});

describe('viewOnly', () => {
  const watching: [string, Partial<TunnelOptions>][] = [
    ['as an option', { vnc: { password: PASSWORD, viewOnly: true } }],
    ['of a function', { vnc: () => Promise.resolve({ password: PASSWORD, viewOnly: true }) }],
  ];

  test.each(watching)('%s drops keys and pointer, and shares the desktop', async (_name, options) => {
    const { desk, port, tunnel } = await startVnc(undefined, options);
    const client = await greet(await openRaw(port), 0);
    expect(desk.last.shared).toBe(1);
    client.send(frame(2, Buffer.concat([KEY, UPDATE, POINTER, UPDATE])));
    await until(() => desk.last.messages.length >= 2 * UPDATE.length);
    expect(desk.last.messages).toEqual(Buffer.concat([UPDATE, UPDATE]));
    expect(tunnel.tunnels()).toMatchObject([{ viewOnly: true }]);
  });

  test('without a password follows the login of the page', async () => {
    const server = await startVncServer({ security: 'none' });
    const { port } = await startTunnel({ server: { port: server.port }, vnc: { viewOnly: true } });
    const client = await greet(await openRaw(port));
    client.send(frame(2, Buffer.concat([KEY, UPDATE])));
    await until(() => server.last.messages.equals(UPDATE));
  });

  test('of a ticket holds whatever the option says, also without the option', async () => {
    for (const vnc of [{ password: PASSWORD }, undefined]) {
      const server = await startVncServer({ security: vnc ? 'vnc' : 'none' });
      const { port, tunnel } = await startTunnel({ server: { port: server.port }, ...(vnc && { vnc }) });
      const ticket = await tunnel.ticket({ viewOnly: true, user: 'ann' });
      const client = await greet(await openRaw(port, `/tunnel?ticket=${ticket}`));
      client.send(frame(2, Buffer.concat([KEY, UPDATE])));
      await until(() => server.last.messages.equals(UPDATE));
      expect(tunnel.tunnels()).toMatchObject([{ viewOnly: true }]);
    }
  });

  test('ends the tunnel with 1008 for bytes that cannot be filtered', async () => {
    const { desk, port, tunnel } = await startVnc({ password: PASSWORD, viewOnly: true });
    const client = await greet(await openRaw(port));
    const closed = once(tunnel, 'close');
    client.send(frame(2, Buffer.from([77])));
    expect(await client.close()).toMatchObject({
      code: 1008,
      reason: expect.stringContaining('77') as string,
    });
    client.send(frame(2, UPDATE));
    client.socket.end();
    expect(await closed).toMatchObject([{ cause: 'vnc-error', viewOnly: true }]);
    expect(desk.last.messages).toHaveLength(0);
  });
});

describe('viewOnly behind other hosts', () => {
  /** The page's keys are dropped, and the update request arrives. */
  async function watches(client: RawClient, desk: VncServer) {
    await greet(client, 0);
    expect(desk.last.shared).toBe(1);
    client.send(frame(2, Buffer.concat([KEY, UPDATE])));
    await until(() => desk.last.messages.equals(UPDATE));
  }

  test('by a token, with and without the option', async () => {
    for (const vnc of [{ password: PASSWORD }, undefined]) {
      const desk = await startVncServer({ security: vnc ? 'vnc' : 'none' });
      const source = (token: string) => ({ target: { port: desk.port }, viewOnly: token === 'watch' });
      const { port, tunnel } = await startTunnel({ server: tokenServer(source), ...(vnc && { vnc }) });
      const client = await openRaw(port, '/tunnel?token=watch');
      await watches(client, desk);
      expect(tunnel.tunnels()).toMatchObject([{ viewOnly: true }]);
      const typing = await openRaw(port, '/tunnel?token=type');
      await greet(typing);
      typing.send(frame(2, KEY));
      await until(() => desk.last.messages.equals(KEY));
    }
  });

  test('a unix socket', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'vnc-'));
    onCleanup(() => rmSync(folder, { recursive: true }));
    const desk = new VncServer();
    const socket = join(folder, 'vnc.sock');
    const server = createServer({ allowHalfOpen: true }, desk.serve).listen(socket);
    onCleanup(() => void server.close());
    await once(server, 'listening');
    const { port } = await startTunnel({ server: { socket }, vnc: { password: PASSWORD, viewOnly: true } });
    const client = await openRaw(port);
    await watches(client, desk);
    client.socket.destroy();
  });

  test("a WebSocket backend in mode 'bytes'", async () => {
    const desk = await startVncServer();
    const proxy = await startTunnel({ server: { port: desk.port } });
    const { port } = await startTunnel({
      server: { url: `ws://127.0.0.1:${proxy.port}/tunnel`, mode: 'bytes' },
      vnc: { password: PASSWORD, viewOnly: true },
    });
    await watches(await openRaw(port), desk);
  });
});

describe('inputIdleTimeout', () => {
  test('ends a tunnel whose client only watches updates', async () => {
    const { port, tunnel } = await startVnc({ password: PASSWORD, inputIdleTimeout: 0.4 });
    const closed = once(tunnel, 'close');
    const client = await greet(await openRaw(port));
    client.send(frame(2, UPDATE));
    expect(await client.close()).toEqual({ code: 1001, reason: 'no key or pointer event for 0.4 s' });
    client.socket.end();
    expect(await closed).toMatchObject([{ cause: 'input-idle' }]);
  });

  test('starts again with each key', async () => {
    const { port, tunnel } = await startVnc({ password: PASSWORD, inputIdleTimeout: 0.5 });
    const client = await greet(await openRaw(port));
    const typing = setInterval(() => client.send(frame(2, KEY)), 50);
    const start = performance.now();
    setTimeout(() => clearInterval(typing), 1200);
    await client.close();
    expect(performance.now() - start).toBeGreaterThan(1500);
    client.socket.end();
    await until(() => tunnel.stats().open === 0);
  });
});

describe('a function vnc', () => {
  const bad: [string, () => unknown, string][] = [
    [
      'throws',
      () => {
        throw new Error('no role');
      },
      'no role',
    ],
    ['rejects', () => Promise.reject(new Error('no store')), 'no store'],
    ['returns a misspelt option', () => ({ viewonly: true }), 'did you mean "viewOnly"'],
    ['returns a text', () => PASSWORD, 'must be an object'],
    [
      'returns a Map',
      () => new Map([['viewOnly', true]]),
      'must be an object such as { password, viewOnly }, or undefined',
    ],
    [
      'returns a password with a line break',
      () => ({ password: 'x\n' }),
      'must be a text without a line break',
    ],
    ['returns an empty password', () => ({ password: '' }), 'must be a text that is not empty'],
    [
      'returns a function with an empty password',
      () => ({ password: () => '' }),
      'must be a text that is not empty',
    ],
  ];

  test.each(bad)('that %s refuses with 500, before the backend is reached', async (_name, vnc, reason) => {
    const { desk, port, tunnel } = await startVnc(vnc as () => VncOptions);
    const seen = refusals(tunnel);
    expect(await statusOf(port)).toBe(500);
    expect(seen).toMatchObject([
      { code: 'WSTUNNEL_HOOK_FAILED', reason: expect.stringContaining(reason) as string },
    ]);
    expect(JSON.stringify(seen)).not.toContain(PASSWORD);
    expect(desk.attempts).toBe(0);
  });

  test('that never returns ends with handshakeTimeout, and its signal aborts', async () => {
    let signal: AbortSignal | undefined;
    const { port } = await startVnc(
      (_req, context) => {
        ({ signal } = context);
        return new Promise<undefined>(() => undefined);
      },
      { handshakeTimeout: 0.3 },
    );
    expect(await statusOf(port)).toBe(504);
    expect(signal?.aborted).toBe(true);
  });

  test('may return a foreign promise, whose then returns nothing', async () => {
    // Of some stores and ORMs; only `await` is sure to understand it.
    const then = (resolve: (given: VncOptions) => void): void =>
      resolve({ password: PASSWORD, viewOnly: true });
    const { port, tunnel } = await startVnc(() => ({ then }) as Promise<VncOptions>);
    await greet(await openRaw(port));
    expect(tunnel.tunnels()).toMatchObject([{ viewOnly: true }]);
  });

  test('without a result lets all bytes pass', async () => {
    const { desk, port, tunnel } = await startVnc(() => undefined);
    const client = await openRaw(port);
    expect((await client.payload(12)).toString()).toBe(VERSION);
    client.send(frame(2, VERSION));
    expect([...(await client.payload(2))]).toEqual([1, 2]);
    expect(desk.attempts).toBe(1);
    expect(tunnel.tunnels()).toMatchObject([{ viewOnly: false }]);
  });

  test('that gives other rights at a check ends the tunnel, and no other', async () => {
    const watching = new Set<string>();
    const { port, tunnel } = await startVnc(
      (req) => ({ password: PASSWORD, viewOnly: watching.has(req.headers['x-name'] as string) }),
      { revalidate: 0.1 },
    );
    const [ann, bob] = [
      await greet(await openRaw(port, '/tunnel', { 'X-Name': 'ann' })),
      await greet(await openRaw(port, '/tunnel', { 'X-Name': 'bob' })),
    ];
    const closed = once(tunnel, 'close');
    watching.add('ann');
    expect(await ann.close()).toMatchObject({ code: 1008 });
    ann.socket.end();
    expect(await closed).toMatchObject([{ cause: 'rights-changed' }]);
    expect(tunnel.stats().open).toBe(1);
    bob.socket.destroy();
  });

  test('with other rights ends of two tunnels that share a check the one with the old rights', async () => {
    let isReady = false;
    let opened = 0;
    const { port, tunnel } = await startVnc(
      (req) => {
        if ('wstunnelCheck' in req && !isReady) throw new Error('not yet');
        return { password: PASSWORD, viewOnly: 'wstunnelCheck' in req || opened++ > 0 };
      },
      { revalidate: 0.2 },
    );
    const [first, second] = [await greet(await openRaw(port)), await greet(await openRaw(port))];
    isReady = true;
    expect(await first.close()).toMatchObject({ code: 1008 });
    first.socket.end();
    await until(() => tunnel.stats().open === 1);
    expect(tunnel.tunnels()).toMatchObject([{ viewOnly: true }]);
    second.socket.destroy();
  });

  test('that fails at a check leaves the tunnel open', async () => {
    let checks = 0;
    const { port, tunnel } = await startVnc(
      (req) => {
        if (!('wstunnelCheck' in req)) return { password: PASSWORD };
        checks++;
        throw new Error('the store is down');
      },
      { revalidate: 0.1 },
    );
    await greet(await openRaw(port));
    await until(() => checks >= 3);
    expect(tunnel.stats().open).toBe(1);
  });
});

describe('a backend of frames', () => {
  const server = { url: 'ws://127.0.0.1:1/desk' };

  test('is refused at creation, with the way out', () => {
    const options = { server, vnc: { viewOnly: true } };
    expect(() => wstunnel(options)).toThrow(/vnc needs the bytes of the payload.*mode: "bytes"/);
    expect(() => wstunnel({ rules: [options] })).toThrow(/rules\[0\]\.vnc needs the bytes of the payload/);
    expect(() => wstunnel({ ...options, server: { ...server, mode: 'bytes' } })).not.toThrow(TunnelError);
  });

  test('is refused with 500 if the host or the rights are known only at the request', async () => {
    const dynamic = makeTunnel({ server: () => server, vnc: { viewOnly: true } });
    const byTicket = makeTunnel({ server });
    const site = await startApp((app) => app.use('/tunnel', dynamic).use('/ticket', byTicket));
    const seen = refusals(dynamic);
    expect(await statusOf(site.port)).toBe(500);
    expect(seen[0]?.reason).toContain('vnc needs the bytes of the payload');
    const ticket = await byTicket.ticket({ viewOnly: true, user: 'ann' });
    expect(await statusOf(site.port, `/ticket?ticket=${ticket}`)).toBe(500);
  });
});

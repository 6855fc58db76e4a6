// Published failures of ws, tried on this tunnel: the handshake of ws is used here, its decoder and sender are not.
import { hashSync } from 'bcryptjs';
import express from 'express';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
// Loaded before the tests: the command loads this file only when it starts.
import '../../src/command/listen-command.js';
import { run } from '../../src/command/run.js';
import type { Tunnel } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { files } from '../support/command.js';
import { FakeIo } from '../support/fake-io.js';
import { watchComplaints } from '../support/leftovers.js';
import {
  closeFrame,
  echoes,
  frame,
  handshake,
  openRaw,
  pageRequest,
  RawClient,
  statusOf,
} from '../support/raw-client.js';
import {
  closedPort,
  listen,
  makeTunnel,
  portOf,
  startApp,
  startEcho,
  startTunnel,
} from '../support/servers.js';
import { holds, until } from '../support/wait.js';

test('the installed ws is newer than its published failures (8.21.0)', () => {
  const { version } = createRequire(import.meta.url)('ws/package.json') as { version: string };
  const [major = 0, minor = 0] = version.split('.').map(Number);
  expect(major * 1000 + minor).toBeGreaterThanOrEqual(8021);
});

describe('CVE-2024-37890 (ws): a request with more headers than Node keeps', () => {
  // Short names, so that the head stays below Node's 16 KiB.
  const many = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, i) => [`a${i.toString(36)}`, '']));
  const first = (count: number, headers = {}) => {
    const [start = '', ...lines] = handshake('/tunnel', headers).split('\r\n');
    const filler = Object.keys(many(count)).map((name) => `${name}:`);
    return [start, ...filler, ...lines].join('\r\n');
  };

  test('CVE-2024-37890: handshake headers that Node has dropped do not end the process', async () => {
    const complaints = watchComplaints();
    const { port, server, tunnel } = await startTunnel();
    for (const [count, most] of [
      [998, undefined],
      [1200, undefined],
      [2000, undefined],
      [40, 20],
      [3, 4],
    ] as const) {
      if (most !== undefined) server.maxHeadersCount = most;
      const client = new RawClient(port).send(first(count));
      expect([count, (await client.answer()).status]).toEqual([
        count,
        expect.toBeOneOf([400, 404, 426, 431]),
      ]);
      client.socket.destroy();
    }
    server.maxHeadersCount = 0;
    const client = new RawClient(port).send(first(1200));
    expect((await client.answer()).status).toBe(101);
    await echoes(client);
    expect(complaints).toEqual([]);
    expect(tunnel.stats().opened).toBe(1);
  });

  test('CVE-2024-37890: a client cannot make Node drop the address that a trusted proxy adds at the end', async () => {
    const { port: target } = await startEcho();
    const tunnel = makeTunnel({ server: { port: target }, deny: ['192.0.2.9'] });
    const { port, server } = await startApp((app) =>
      app.set('trust proxy', 'loopback').use('/tunnel', tunnel),
    );
    const forwarded = { 'X-Forwarded-For': '192.0.2.9' };
    expect(await statusOf(port, '/tunnel', forwarded)).toBe(403);
    for (const [most, count] of [
      [2000, 1996],
      [null, 995],
      [null, 996],
      [null, 1100],
      [32, 27],
      [32, 28],
      [32, 60],
    ] as const) {
      server.maxHeadersCount = most;
      const text = handshake('/tunnel', { ...many(count), ...forwarded });
      const client = new RawClient(port).send(text);
      expect([count, (await client.answer()).status]).toEqual([count, expect.toBeOneOf([400, 403])]);
      client.socket.destroy();
    }
  });
});

test('CVE-2024-37890: the command answers no request whose X-Forwarded-For Node may have dropped', async () => {
  const { folder = '' } = await files({ 'vnc.html': 'desk' });
  const { logins = '' } = await files({ logins: `ann:${hashSync('right', 4)}\n` });
  const io = new FakeIo();
  const options = ['--web', folder, '--auth', logins, '--trust-proxy', 'loopback', '-v'];
  const code = run(['0', '1', ...options], io);
  await until(() => io.said.includes('listening on'));
  onCleanup(async () => {
    io.send('SIGTERM');
    expect(await code).toBe(0);
  });
  const port = Number(/:(\d+)\//.exec(io.said)?.[1]);
  const ask = async (count: number) => {
    const lines = [
      ...Array.from({ length: count }, (_, i) => `a${i.toString(36)}:`),
      `Authorization: Basic ${Buffer.from('ann:wrong').toString('base64')}`,
      'X-Forwarded-For: 192.0.2.9',
    ];
    const text = pageRequest('/vnc.html').replace('\r\n\r\n', `\r\n${lines.join('\r\n')}\r\n\r\n`);
    const client = new RawClient(port).send(text);
    const { status } = await client.answer();
    client.socket.destroy();
    return status;
  };
  expect(await ask(900)).toBe(401);
  await until(() => io.said.includes('login   192.0.2.9: 401'));
  for (const count of [996, 997, 1000, 1100]) expect([count, await ask(count)]).toEqual([count, 431]);
  // A program that bans addresses by the log would ban the proxy.
  expect(io.said).not.toContain('127.0.0.1: 401');
});

test.each([
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'Sec-WebSocket-Key',
  'Upgrade',
  'Connection',
  'Origin',
  'Cookie',
  'X-Forwarded-For',
  'X-Forwarded-Host',
  'Host',
])('CVE-2021-32640 (ws): a hostile %s is parsed quickly', async (name) => {
  const tunnel = makeTunnel({
    server: { port: await closedPort() },
    origins: ['same', '*.a.example', /^https:\/\/b$/],
    allow: ['127.0.0.1', '192.0.2.0/24'],
  });
  const app = express().set('trust proxy', 'loopback').set('env', 'test').use('/tunnel', tunnel);
  // Node's own limit of 16 KiB would hide the time of a quadratic pattern.
  const server = createServer({ maxHeaderSize: 1_000_000 }, app);
  await listen(server);
  const LENGTH = 60_000;
  const word = name === 'Connection' ? 'upgrade' : 'websocket';
  const hostile = [
    ...[' ', '\t', ',', ', ', ';', ' ;', ':', '.', '/', '"', '=', '['].map(
      (part) => `b${part.repeat(LENGTH / part.length)}x`,
    ),
    `${word}${' '.repeat(LENGTH)}x`,
    `x,${' '.repeat(LENGTH)}${word}x`,
    `x${`,${word} x`.repeat(LENGTH / 12)}`,
    `b; x="${'\\a'.repeat(LENGTH / 2)}`,
    `https://${'a.'.repeat(LENGTH / 2)}`,
    `https://a${':'.repeat(LENGTH)}`,
  ];
  // Milliseconds of processor time. All values take a few, and a quadratic pattern some thousand at this length.
  for (const value of hostile) {
    const client = new RawClient(portOf(server)).send(handshake('/tunnel', { [name]: value }));
    const since = process.cpuUsage();
    expect((await client.answer()).status).not.toBe(101);
    const spent = process.cpuUsage(since).user / 1000;
    client.socket.destroy();
    expect({ start: value.slice(0, 12), spent }).toEqual({
      start: value.slice(0, 12),
      spent: expect.toSatisfy((ms: number) => ms < 1000) as number,
    });
  }
});

describe('CVE-2026-45736 (ws): close() sends memory that was not initialised', () => {
  const end = (tunnel: Tunnel, code: unknown, reason: unknown) =>
    tunnel.end(() => true, code as number, reason as string);

  test.each([
    ['a TypedArray', new Float32Array(20)],
    ['a length', 100],
    ['a Buffer', Buffer.alloc(4)],
    ['null', null],
  ])('CVE-2026-45736: %s is refused as a reason, and ends no tunnel', async (_name, reason) => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    expect(() => end(tunnel, 4000, reason)).toThrow(/reason must be a string/);
    expect(() => tunnel.close({ reason: reason as unknown as string })).toThrow(/reason/);
    await echoes(client);
  });

  test.each([
    ['nothing', ''],
    ['123 bytes', 'x'.repeat(123)],
    ['more than fits', 'é'.repeat(200)],
  ])('CVE-2026-45736: a Close with %s contains the reason and no other byte', async (_name, reason) => {
    const { port, tunnel } = await startTunnel();
    const client = await openRaw(port);
    await until(() => tunnel.stats().open === 1);
    expect(end(tunnel, 4000, reason)).toBe(1);
    const close = await client.frame();
    const sent = close?.payload.toString('utf8', 2) ?? '';
    expect(reason.startsWith(sent)).toBe(true);
    expect(close?.payload).toHaveLength(
      2 + Math.min(Buffer.byteLength(reason), reason.startsWith('é') ? 122 : 123),
    );
    client.send(closeFrame(4000));
  });
});

describe('CVE-2026-48779 (ws): tiny and empty fragments exhaust memory', () => {
  const FRAGMENTS = 300_000;
  const flood = (payload: string) => {
    const one = frame(0, payload, { final: false });
    return Buffer.concat([
      frame(2, payload, { final: false }),
      ...new Array<Buffer>(FRAGMENTS - 1).fill(one),
    ]);
  };

  test.each([
    ['one byte', 'x'],
    ['no bytes', ''],
  ])(
    'CVE-2026-48779: %s in each of 300,000 fragments of a message that never ends is not stored',
    async (_name, payload) => {
      const { port, backend } = await startTunnel();
      const other = await openRaw(port);
      const client = await openRaw(port);
      client.socket.resume();
      const bytes = flood(payload);
      globalThis.gc?.();
      const before = process.memoryUsage().heapUsed;
      client.socket.write(bytes);
      client.socket.write(frame(0, 'the end', { final: false }));
      await echoes(other);
      await holds(() => expect(backend?.received().subarray(-7).toString()).toBe('the end'));
      expect(backend?.received().length).toBe(FRAGMENTS * payload.length + 4 + 7);
      // ws kept about 100 bytes for each fragment.
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(FRAGMENTS * 50);
    },
  );
});

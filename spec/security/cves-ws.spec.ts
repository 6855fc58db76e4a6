// Published failures of ws, tested on this tunnel, which uses the handshake of ws but not its decoder and sender.
import { createRequire } from 'node:module';
import { describe, expect, test } from 'vitest';
import type { Tunnel } from '../../src/index.js';
import { watchComplaints } from '../support/leftovers.js';
import { closeFrame, echoes, frame, handshake, openRaw, RawClient, statusOf } from '../support/raw-client.js';
import { makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
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

test.each([
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'Upgrade',
  'Connection',
  'Origin',
  'Cookie',
  'X-Forwarded-For',
  'Host',
])('CVE-2021-32640 (ws): a hostile %s is parsed quickly', async (name) => {
  const tunnel = makeTunnel({
    server: { port: 1 },
    origins: ['*.a.example', /^https:\/\/b$/],
    allow: ['192.0.2.0/24'],
  });
  const { port } = await startApp((app) => app.set('trust proxy', 'loopback').use('/tunnel', tunnel));
  const LENGTH = 15_000;
  const hostile = [
    `b${' '.repeat(LENGTH)}x`,
    `b${'\t'.repeat(LENGTH)}x`,
    `b${', '.repeat(LENGTH / 2)}x`,
    `b${';'.repeat(LENGTH)}x`,
    `b; x="${'\\a'.repeat(LENGTH / 2)}`,
    `https://${'a.'.repeat(LENGTH / 2)}`,
    `https://a${':'.repeat(LENGTH)}`,
    '"'.repeat(LENGTH),
    '='.repeat(LENGTH),
    '['.repeat(LENGTH),
  ];
  // Milliseconds of processor time; a quadratic pattern takes far longer at this length.
  for (const value of hostile) {
    const client = new RawClient(port).send(handshake('/tunnel', { [name]: value }));
    const since = process.cpuUsage();
    expect((await client.answer()).status).not.toBe(101);
    expect([value.slice(0, 9), process.cpuUsage(since).user / 1000 < 200]).toEqual([value.slice(0, 9), true]);
    client.socket.destroy();
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

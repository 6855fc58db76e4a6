import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { until } from '../support/wait.js';
import { openRaw, requestTunnel } from '../support/raw-client.js';
import { closedPort, startEcho, startTunnel } from '../support/servers.js';

async function ask(port: number, headers = {}) {
  const client = requestTunnel(port, '/tunnel', headers);
  const { status, headers: answered } = await client.answer();
  const body = status === 101 ? '' : (await client.rest()).toString();
  return { client, status, body, headers: answered };
}

describe('the option limits', () => {
  test('total: a request above it gets 503, and an ended tunnel frees its slot', async () => {
    const { port, tunnel } = await startTunnel({ limits: { total: 2 } });
    const first = await openRaw(port);
    await openRaw(port);
    expect(await ask(port)).toMatchObject({
      status: 503,
      body: 'too many open tunnels\n',
    });
    first.socket.destroy();
    await until(() => tunnel.stats().open === 1);
    expect((await ask(port)).status).toBe(101);
    expect(tunnel.stats().refused).toEqual({ WSTUNNEL_FULL: 1 });
  });

  test('perClient: a request above it gets 429, for that client only', async () => {
    const { port } = await startTunnel({
      limits: { perClient: 1 },
      clientAddress: (req) => String(req.headers['x-address']),
    });
    const from = async (address: string) => (await ask(port, { 'X-Address': address })).status;
    expect([await from('192.0.2.1'), await from('192.0.2.1'), await from('192.0.2.2')]).toEqual([
      101, 429, 101,
    ]);
    // One customer usually has a whole IPv6 /64.
    expect([await from('2001:db8::1'), await from('2001:db8::2'), await from('2001:db8:0:1::1')]).toEqual([
      101, 429, 101,
    ]);
  });

  test('perUser: a request above it gets 429, whatever its address, for that user only', async () => {
    const { port, tunnel } = await startTunnel({
      limits: { perUser: 1 },
      user: (req) => req.headers['x-user'] as string | undefined,
    });
    const from = async (user?: string) => ask(port, user === undefined ? {} : { 'X-User': user });
    const first = await from('ann');
    expect([first.status, (await from('bob')).status]).toEqual([101, 101]);
    expect(await from('ann')).toMatchObject({ status: 429, body: 'too many open tunnels for this user\n' });
    expect([(await from()).status, (await from()).status]).toEqual([101, 101]);
    first.client.socket.destroy();
    await until(() => tunnel.stats().open === 3);
    expect((await from('ann')).status).toBe(101);
  });

  test.each([
    [undefined, 1],
    [() => undefined, 0],
  ] as const)('perUser without users warns once, if there is no hook: %s', async (user, warnings) => {
    const codes: unknown[] = [];
    const note = (warning: Error & { code?: string }) => codes.push(warning.code);
    process.on('warning', note);
    onCleanup(() => process.off('warning', note));
    const { port } = await startTunnel({ limits: { perUser: 1 }, ...(user && { user }) });
    expect([(await ask(port)).status, (await ask(port)).status]).toEqual([101, 101]);
    expect(codes.filter((code) => code === 'WSTUNNEL_NO_USER')).toHaveLength(warnings);
  });

  test('a refused request holds no slot', async () => {
    const dead = await closedPort();
    const { port } = await startTunnel({
      server: { port: dead, disableTime: 0 },
      limits: { total: 1, perClient: 1 },
    });
    for (let n = 0; n < 5; n++) expect((await ask(port)).status).toBe(502);
  });

  test('clients that are not authorized use no slot', async () => {
    let passes = false;
    const { port } = await startTunnel({ limits: { total: 1 }, authenticate: () => passes });
    expect((await ask(port)).status).toBe(401);
    passes = true;
    expect((await ask(port)).status).toBe(101);
    passes = false;
    expect((await ask(port)).status).toBe(401);
  });

  test('a burst at once gets exactly as many tunnels as the limit allows', async () => {
    const { port, tunnel } = await startTunnel({
      limits: { total: 5 },
      authenticate: async () => {
        await new Promise((resolve) => setImmediate(resolve));
        return true;
      },
    });
    const answers = await Promise.all(Array.from({ length: 40 }, () => ask(port)));
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(5);
    expect(tunnel.stats()).toMatchObject({ open: 5, refused: { WSTUNNEL_FULL: 35 } });
    for (const { client } of answers) client.socket.destroy();
    await until(() => tunnel.stats().open === 0);
    expect((await ask(port)).status).toBe(101);
  });
});

describe('the host option maxTunnels', () => {
  test('sends tunnels above it to the next host, then gets 503 with the reason', async () => {
    const [one, two] = [await startEcho(), await startEcho()];
    const server = [
      { port: one.port, maxTunnels: 1 },
      { port: two.port, maxTunnels: 2 },
    ];
    const { port, tunnel } = await startTunnel({ server, balance: { pick: (hosts) => hosts[0] } });
    const opened = [await ask(port), await ask(port), await ask(port)];
    expect(opened.map(({ status }) => status)).toEqual([101, 101, 101]);
    expect(tunnel.stats().backends.map(({ load }) => load)).toEqual([1, 2]);
    expect(await ask(port)).toMatchObject({
      status: 503,
      body: 'all backends are at their tunnel limit\n',
    });
    opened[0]!.client.socket.destroy();
    await until(() => tunnel.stats().open === 2);
    expect((await ask(port)).status).toBe(101);
  });

  test('is kept by a strategy that answers late', async () => {
    const { port: backend } = await startEcho();
    const { port, tunnel } = await startTunnel({
      server: { port: backend, maxTunnels: 3 },
      balance: {
        pick: async (hosts) => {
          await new Promise((resolve) => setImmediate(resolve));
          return hosts[0];
        },
      },
    });
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(port)));
    expect(answers.filter(({ status }) => status === 101)).toHaveLength(3);
    expect(tunnel.stats()).toMatchObject({ open: 3, refused: { WSTUNNEL_FULL: 17 } });
  });
});

describe('a backup host', () => {
  test('is used only while no other host is up', async () => {
    const dead = await closedPort();
    const [main, spare] = [await startEcho(), await startEcho()];
    const server = [
      { port: spare.port, backup: true },
      { port: dead, disableTime: 60 },
      { port: main.port, maxTunnels: 1 },
    ];
    const { port, tunnel } = await startTunnel({ server });
    expect((await ask(port)).status).toBe(101);
    // A host at its limit does not count as down.
    expect((await ask(port)).status).toBe(503);
    expect(tunnel.stats().backends.map(({ load }) => load)).toEqual([0, 0, 1]);
  });

  test('takes over when the others are down', async () => {
    const dead = await closedPort();
    const spare = await startEcho();
    const server = [
      { port: dead, disableTime: 60 },
      { port: spare.port, backup: true },
    ];
    const { port, tunnel } = await startTunnel({ server });
    expect([(await ask(port)).status, (await ask(port)).status]).toEqual([101, 101]);
    expect(tunnel.stats().backends.map(({ load }) => load)).toEqual([0, 2]);
  });
});

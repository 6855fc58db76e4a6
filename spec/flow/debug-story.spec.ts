import { describe, expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { debugLines } from '../support/debug-lines.js';
import { connectHeaders, connectHttp2, startHttp2Tunnel } from '../support/http2.js';
import { closeFrame, frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { OBSERVE, table } from '../support/readme.js';
import { closedPort, makeTunnel, startApp, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

const UUID = /[\da-f]{8}(?:-[\da-f]{4}){3}-[\da-f]{12}/;

/** The lines without the time, and with `ID` and `N` in place of ids and numbers. */
function shapes(lines: readonly string[]): string[] {
  return lines.map((line) =>
    line
      .replace(/^\S+Z /, '')
      .replace(/^(wstunnel:\w+) [\da-f-]{8,36} /, '$1 ID ')
      .replace(/(?<=127\.0\.0\.1:)\d+|(?<=port )\d+|\d+(?:\.\d+)?(?= m?s\b)|(?<=after )\d+\.\d+/g, 'N')
      .replace(/(?<=the backend )\d+(?:\.\d+)?(?= ms)/, 'N'),
  );
}

const textOf = (lines: readonly string[]) => lines.map((line) => line.replace(/^\S+Z wstunnel:\w+ \S+ /, ''));

async function startSite(options: Partial<TunnelOptions> = {}) {
  const echo = await startEcho();
  const down = await closedPort();
  const tunnel = makeTunnel({
    server: [{ port: down }, { port: echo.port }],
    balance: 'round-robin',
    authenticate: (req) => req.headers['x-login'] === 'yes',
    allow: ['127.0.0.0/8'],
    user: () => 'ann',
    rules: [{ url: '/', pingInterval: 10 }, { url: '/other' }],
    closeTimeout: 0.5,
    ...options,
  });
  const { port } = await startApp((app) => {
    app.use('/vnc', (req, res, next) => (req.headers['x-app'] ? res.status(403).end() : next()), tunnel);
  });
  return { port, tunnel, down };
}

describe('DEBUG=wstunnel:*', () => {
  test('tells the session of the page, with the id of the tunnel in every line', async () => {
    const lines = debugLines();
    const { port, tunnel } = await startSite();
    const host = `127.0.0.1:${port}`;
    const client = await openRaw(port, '/vnc?token=secret', {
      'X-Login': 'yes',
      Origin: `http://${host}`,
      Host: host,
    });
    const [{ id } = { id: '' }] = tunnel.tunnels();
    await client.send(frame(2, 'hello')).payload(5);
    client.send(closeFrame(1000, 'bye')).socket.end();
    await until(() => tunnel.stats().open === 0);
    for (const line of lines) expect(line).toMatch(new RegExp(`^\\S+Z wstunnel:\\w+ ${id} `));
    const [, session = ''] = /<!-- debug session -->\n\n```text\n([^]*?)\n```/.exec(OBSERVE) ?? [];
    expect(shapes(lines)).toEqual(shapes(session.split('\n')));
  });

  test('has the areas of the page', async () => {
    const lines = debugLines();
    const { port } = await startSite();
    await openRaw(port, '/vnc', { 'X-Login': 'yes' });
    const areas = new Set(lines.map((line) => `\`${line.split(' ')[1]}\``));
    expect(areas).toEqual(new Set(table(OBSERVE, '<!-- debug areas -->').map(([area]) => area)));
  });

  test('says which check refused a request, under one id', async () => {
    const lines = debugLines();
    const { port } = await startSite();
    await requestTunnel(port, '/vnc').answer();
    expect(new Set(lines.map((line) => UUID.exec(line)?.[0])).size).toBe(1);
    expect(textOf(lines).slice(-2)).toEqual([
      expect.stringMatching(/^authenticate refuses the request after /),
      'refused /vnc from 127.0.0.1: 401 WSTUNNEL_NOT_AUTHENTICATED, you are not logged in',
    ]);
  });

  test('has the message of a failed hook once', async () => {
    const lines = debugLines();
    const server = () => {
      throw new Error('no such desk');
    };
    const { port } = await startTunnel({ server });
    await requestTunnel(port).answer();
    const [line = ''] = lines.filter((one) => one.includes('WSTUNNEL_HOOK_FAILED'));
    expect(line).toMatch(/WSTUNNEL_HOOK_FAILED, server failed: no such desk$/);
  });

  test('says that the app answered before the tunnel was reached', async () => {
    const lines = debugLines();
    const { port } = await startSite();
    await requestTunnel(port, '/vnc', { 'X-App': '1' }).answer();
    expect(new Set(lines.map((line) => UUID.exec(line)?.[0])).size).toBe(1);
    expect(textOf(lines)).toEqual([
      'arrived: GET /vnc from 127.0.0.1, HTTP/1.1',
      expect.stringMatching(/^the app answered after \S+ ms: the request did not reach the tunnel$/),
    ]);
  });

  test('says that the client left while the app had the request', async () => {
    const lines = debugLines();
    const tunnel = makeTunnel({ server: { port: 1 } });
    let isInside = false;
    const { port } = await startApp((app) => {
      app.use('/vnc', () => (isInside = true), tunnel);
    });
    const client = requestTunnel(port, '/vnc');
    await until(() => isInside);
    client.socket.destroy();
    await until(() => lines.length === 2);
    expect(textOf(lines)[1]).toMatch(/^the client left after \S+ ms, while the app had the request$/);
  });

  test('names the hosts that are left out where no backend is up', async () => {
    const lines = debugLines();
    const down = await closedPort();
    const { port } = await startSite({ server: { port: down } });
    await requestTunnel(port, '/vnc', { 'X-Login': 'yes' }).answer();
    await requestTunnel(port, '/vnc', { 'X-Login': 'yes' }).answer();
    expect(textOf(lines).slice(-2)).toEqual([
      `no host is left to try: 127.0.0.1:${down} (left out after a failure)`,
      'refused /vnc from 127.0.0.1: 503 WSTUNNEL_NO_BACKEND, no backend is up',
    ]);
  });

  test('names the side that ended the tunnel, and each login check', async () => {
    const lines = debugLines();
    const { port, tunnel } = await startTunnel({ revalidate: 0.1, idleTimeout: 0.5, closeTimeout: 0.2 });
    await openRaw(port);
    await until(() => tunnel.stats().open === 0);
    expect(textOf(lines)).toContain('login check: passed');
    expect(textOf(lines).slice(-2)).toEqual([
      'closing 1001 by the tunnel (idle) "idle for 0.5 s"',
      expect.stringMatching(
        /^closed 1001 by the tunnel \(idle\) "idle for 0\.5 s", 0 bytes from the client, 0 to the client, open for [\d.]+ s$/,
      ),
    ]);
  });

  test('tells a connection over HTTP/2 under one id', async () => {
    const lines = debugLines();
    const { port, tunnel } = await startHttp2Tunnel();
    const session = await connectHttp2(port);
    session.request(connectHeaders(), { endStream: false }).on('error', () => undefined);
    await until(() => tunnel.stats().open === 1);
    const [{ id } = { id: '' }] = tunnel.tunnels();
    for (const line of lines) expect(line).toContain(` ${id} `);
    expect(textOf(lines)[0]).toMatch(/^arrived: GET \/tunnel from \S+, HTTP\/2$/);
    expect(textOf(lines).at(-1)).toMatch(/^opened: \/tunnel /);
  });

  test('has no secret, and stays on short lines whatever a client and the app send', async () => {
    const lines = debugLines();
    const name = `<b>ann</b>\n\u001b[2J../${'x'.repeat(10_000)}`;
    const { port, tunnel } = await startSite({ user: () => name });
    const secrets = {
      Cookie: 'sid=secret',
      Authorization: 'Bearer secret',
      'Sec-WebSocket-Protocol': 'binary, secret',
    };
    const path = `/vnc/${'y'.repeat(5000)}?token=secret&ticket=wst_secret#secret`;
    for (const login of ['yes', 'no']) {
      const client = requestTunnel(port, path, { ...secrets, 'X-Login': login });
      await client.answer();
      if (login !== 'yes') continue;
      client.send(closeFrame(1000, 'bye\r\nwstunnel forged')).socket.end();
    }
    await until(() => tunnel.stats().open === 0);
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) {
      expect(line).not.toContain('secret');
      expect(line).not.toMatch(/\p{Cc}/u);
      expect(line.length).toBeLessThan(2500);
      expect(line).toMatch(UUID);
    }
  });

  test('has the same number of lines for a byte and for many chunks', async () => {
    const counts: number[] = [];
    for (const chunks of [1, 200]) {
      const lines = debugLines();
      const { port, tunnel } = await startTunnel();
      const client = await openRaw(port);
      for (let sent = 0; sent < chunks; sent++) await client.send(frame(2, 'x')).payload(1);
      client.send(closeFrame(1000)).socket.end();
      await until(() => tunnel.stats().open === 0);
      counts.push(lines.length);
    }
    expect(counts[0]).toBe(counts[1]);
  });
});

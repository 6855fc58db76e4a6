import { describe, expect, test } from 'vitest';
import { requestTunnel } from '../../support/raw-client.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, EVERY, expectOpen, open, startBehind } from './site.js';

const TABS = 10;

/** The tabs of one browser. */
async function openTabs(port: number, headers: Record<string, string> = {}) {
  return Promise.all(Array.from({ length: TABS }, () => open(port, { Cookie: 'sid=1', ...headers })));
}

/** Checks in ten intervals, from the second interval on: the first checks come at random times. */
async function checksOfTenIntervals(checks: readonly unknown[]): Promise<number> {
  await sleep(2 * EVERY * 1000);
  const before = checks.length;
  await sleep(10 * EVERY * 1000);
  return checks.length - before;
}

describe('tunnels with the same URL, headers and address', () => {
  test('share one check', async () => {
    const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach());
    const clients = await openTabs(port);
    const count = await checksOfTenIntervals(checks);
    expect(count).toBeGreaterThan(2);
    expect(count).toBeLessThan(2 * TABS);
    for (const client of clients) await expectOpen(client);
    expect(tunnel.stats().open).toBe(TABS);
  });

  test('end together', async () => {
    const { port, tunnel } = await startBehind((_req, res) => res.writeHead(401).end());
    const clients = await openTabs(port);
    expect(await Promise.all(clients.map(closeOf))).toEqual(
      Array.from({ length: TABS }, () => '1008 the login has ended'),
    );
    await until(() => tunnel.stats().open === 0);
  });

  test('touch a session if one of them is active', async () => {
    const touched: boolean[] = [];
    const { port } = await startBehind((_req, res, reach) => {
      res.once('finish', () => touched.push(true)).once('close', () => touched.push(false));
      reach();
    });
    const clients = await openTabs(port);
    await until(() => touched.length >= 3);
    expect(touched).not.toContain(true);
    await expectOpen(clients[4]!);
    await until(() => touched.includes(true));
  });

  test('touch a session later if the check after the activity fails', async () => {
    let fails = true;
    let finished = 0;
    const { port, checks } = await startBehind((_req, res, reach) => {
      if (fails) res.writeHead(503).end();
      else {
        res.once('finish', () => finished++);
        reach();
      }
    });
    const client = await open(port);
    await expectOpen(client);
    await until(() => checks.length >= 2);
    fails = false;
    await until(() => finished === 1);
  });

  test('go on being checked if the tunnel closes whose request is under way', async () => {
    const { port, tunnel, checks } = await startBehind((_req, _res, reach) => {
      if (checks.length > 1) reach();
    });
    const clients = await openTabs(port);
    await until(() => checks.length >= 1);
    const { remotePort } = checks[0]!.req.socket;
    const first = clients.find(({ socket }) => socket.localPort === remotePort);
    first!.socket.destroy();
    await until(() => checks.length >= 4);
    expect(tunnel.stats().open).toBe(TABS - 1);
  });

  test('do not end by the answer to a check that began before the tunnel opened', async () => {
    let answer: (() => void) | undefined;
    const { port, checks, tunnel } = await startBehind((_req, res, reach) => {
      if (checks.length > 1) reach();
      else answer = () => void res.writeHead(401).end();
    });
    const ended = closed(tunnel);
    const early = await open(port, { Cookie: 'sid=1' });
    await until(() => answer !== undefined);
    const late = await open(port, { Cookie: 'sid=1' });
    answer!();
    expect(await closeOf(early)).toBe('1008 the login has ended');
    await ended;
    await until(() => checks.length >= 4);
    await expectOpen(late);
  });
});

describe('each tunnel has a check of its own', () => {
  test('if the app reads the port of the client', async () => {
    const { port, tunnel, checks } = await startBehind((req, res, reach) => {
      if (req.socket.remotePort === gone) res.writeHead(401).end();
      else reach();
    });
    const clients = await openTabs(port);
    const gone = clients[3]!.socket.localPort;
    expect(await closeOf(clients[3]!)).toBe('1008 the login has ended');
    expect(await checksOfTenIntervals(checks)).toBeGreaterThan(3 * TABS);
    expect(tunnel.stats().open).toBe(TABS - 1);
  });

  test.each([
    ['URL', '/tunnel?tab=2', {}],
    ['cookie', '/tunnel', { Cookie: 'sid=2' }],
    ['header', '/tunnel', { 'X-Request-Id': '2' }],
  ])('if their requests differ in a %s', async (_name, path, headers) => {
    const { port } = await startBehind((req, res, reach) => {
      const isSecond =
        req.headers.cookie === 'sid=2' || req.url !== '/tunnel' || 'x-request-id' in req.headers;
      if (isSecond) res.writeHead(401).end();
      else reach();
    });
    const first = await open(port, { Cookie: 'sid=1' });
    const second = requestTunnel(port, path, { Cookie: 'sid=1', ...headers });
    expect((await second.answer()).status).toBe(101);
    expect(await closeOf(second)).toBe('1008 the login has ended');
    await expectOpen(first);
  });
});

import type { ServerResponse } from 'node:http';
import { describe, expect, test } from 'vitest';
import { memoryShared } from '../../../src/index.js';
import { watchComplaints } from '../../support/leftovers.js';
import { sleep, until } from '../../support/wait.js';
import { closed, closeOf, echoTunnel, EVERY, expectOpen, open, startBehind, type Marked } from './site.js';

describe('the answer to a check', () => {
  test.each([200, 301, 302, 400, 401, 403, 404, 410])('%i ends the tunnel', async (status) => {
    const { port, tunnel } = await startBehind((_req, res) => res.writeHead(status).end('x'));
    const ended = closed(tunnel);
    const client = await open(port);
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  const thrown = new Error('on purpose');
  const unclear: [string, (req: Marked, res: ServerResponse, reach: () => void) => void][] = [
    ['408', (_req, res) => void res.writeHead(408).end()],
    ['429', (_req, res) => void res.writeHead(429).end()],
    ['500', (_req, res) => void res.writeHead(500).end()],
    ['503 with a long body', (_req, res) => void res.writeHead(503).end(Buffer.alloc(1_000_000))],
    ['a response without end', (_req, res) => void res.writeHead(500).write('a')],
    [
      'a throw',
      () => {
        throw thrown;
      },
    ],
    ['a destroyed request', (req) => void req.destroy()],
    ['a destroyed response', (_req, res) => void res.destroy()],
    ['a destroyed socket', (req) => void req.socket.destroy()],
  ];

  test.each(unclear)('%s keeps the tunnel, and is tried again sooner', async (_name, answer) => {
    const complaints = watchComplaints();
    // The first check comes within the interval. The deadline of a check is longer than this test.
    const endless = answer === unclear[4]![1];
    const { port, checks } = await startBehind(answer, { revalidate: 2 });
    const client = await open(port);
    await until(() => checks.length >= (endless ? 1 : 3));
    await expectOpen(client);
    expect(complaints).toEqual([]);
  });

  test('of failAfter seconds without a verdict ends the tunnel, even if the app never answers', async () => {
    const { port, tunnel } = await startBehind(() => undefined, {
      revalidate: { every: EVERY, failAfter: 3 * EVERY },
    });
    const ended = closed(tunnel);
    const client = await open(port);
    expect(await closeOf(client)).toBe('1008 the login could not be checked');
    const { cause, duration } = await ended;
    expect(cause).toBe('login-unclear');
    expect(duration).toBeGreaterThan(2 * EVERY);
  });

  test('counts once: a second answer, also after the tunnel has closed, has no effect', async () => {
    const complaints = watchComplaints();
    const { port, tunnel, checks } = await startBehind((_req, res, reach) => {
      reach();
      try {
        res.writeHead(401).end('late');
      } catch {
        // The response has ended.
      }
    });
    const client = await open(port);
    await until(() => checks.length >= 3);
    await expectOpen(client);
    client.socket.destroy();
    await until(() => tunnel.stats().open === 0);
    for (const { res } of checks) {
      res.write('much later');
      res.end();
    }
    await sleep(50);
    expect(complaints).toEqual([]);
  });

  test('that is under way when the tunnel closes is aborted', async () => {
    const gone: string[] = [];
    const { port, tunnel, checks } = await startBehind((_req, res) => {
      res.once('close', () => gone.push('closed'));
    });
    const client = await open(port);
    await until(() => checks.length === 1);
    client.socket.destroy();
    await until(() => tunnel.stats().open === 0 && gone.length === 1);
    expect(checks[0]!.req.socket.destroyed).toBe(true);
  });

  test('is the end if a guard of the tunnel refuses', async () => {
    let mayStay = true;
    const { port, tunnel, checks } = await startBehind((_req, _res, reach) => reach(), {
      authenticate: () => Promise.resolve(mayStay),
    });
    const ended = closed(tunnel);
    const client = await open(port);
    await until(() => checks.length >= 3);
    await expectOpen(client);
    mayStay = false;
    expect(await closeOf(client)).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test('is the end if a tunnel of the same state with another name is reached', async () => {
    const shared = memoryShared();
    const other = await echoTunnel({ shared, name: 'guests' });
    const { port, tunnel } = await startBehind((req, res) => other(req, res, () => undefined), {
      shared,
      name: 'admins',
    });
    const ended = closed(tunnel);
    expect(await closeOf(await open(port))).toBe('1008 the login has ended');
    expect(await ended).toMatchObject({ cause: 'login-ended' });
  });

  test('keeps the tunnel if a tunnel of the same state and name is reached', async () => {
    const shared = memoryShared();
    const next = await echoTunnel({ shared, name: 'desk' });
    const { port, checks } = await startBehind((req, res) => next(req, res, () => undefined), {
      shared,
      name: 'desk',
    });
    const client = await open(port);
    await until(() => checks.length >= 3);
    await expectOpen(client);
  });

  test('is the end if another tunnel is reached', async () => {
    const other = await echoTunnel();
    const { port } = await startBehind((req, res) => other(req, res, () => undefined));
    expect(await closeOf(await open(port))).toBe('1008 the login has ended');
  });
});

import { createHook } from 'node:async_hooks';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { describe, expect, test } from 'vitest';
import { startProcess } from './bounds-process.js';
import { onCleanup } from '../support/cleanup.js';
import { openFlow, reaches } from '../support/observed-tunnel.js';
import { frame } from '../support/raw-client.js';
import { startBackend, startEcho } from '../support/servers.js';
import { sleep, undisturbed, until } from '../support/wait.js';

const PONG = frame(10);
const wait = (ms: number) => sleep(ms);

/** Options for every timer, with deadlines longer than the test. */
const ALL = { pingInterval: 900, pongTimeout: 300, idleTimeout: 3600, maxDuration: 3600 };
const HOST = { readTimeout: 3600, writeTimeout: 3600 };

test('a tunnel has the same number of timers whatever its traffic', async () => {
  const echo = await startEcho();
  const { used, open } = await startProcess({ server: { port: echo.port, ...HOST }, ...ALL });
  const clients: Socket[] = [];
  const openMore = async (count: number) => {
    for (let i = 0; i < count; i++) clients.push(await open());
    return (await used()).timers;
  };
  const one = await openMore(1);
  const many = await openMore(50);
  const each = (many - one) / 50;
  expect([1, 2]).toContain(each);

  let received = 0;
  for (const client of clients) client.on('data', (bytes: Buffer) => (received += bytes.length));
  for (let i = 1; i <= 100; i++) {
    for (const client of clients) client.write(frame(2, 'to and fro'));
    await until(() => received >= i * clients.length * 12);
    if (i % 25 === 0) expect((await used()).timers).toBe(many);
  }
  for (const client of clients) client.destroy();
  await until(async () => (await used()).open === 0);
  expect((await used()).timers).toBe(one - each);
});

test('traffic sets no timer', async () => {
  const flow = await openFlow(ALL);
  let set = 0;
  const hook = createHook({
    init: (_id, type) => {
      if (type === 'Timeout' && new Error().stack?.includes('/src/')) set++;
    },
  }).enable();
  onCleanup(() => hook.disable());
  for (let i = 0; i < 200; i++) {
    flow.client.send(frame(2, `<${i}>`), frame(9, 'p'), frame(10));
    await reaches(flow, `<${i}>`);
    flow.backend.write(`<${i}>`);
    await flow.client.payload(3);
  }
  expect(set).toBe(0);
});

test('2,000 idle tunnels with PINGs cost little processor time', { timeout: 60_000 }, async () => {
  const backend = await startBackend();
  const { used, open } = await startProcess({
    server: { port: backend.port, readTimeout: 60, writeTimeout: 4 },
    pingInterval: 1,
    pongTimeout: 5,
    idleTimeout: 60,
    maxDuration: 3600,
  });
  let pings = 0;
  const { cpu: start } = await used();
  for (let i = 0; i < 2000; i++) {
    const client = await open();
    client.on('data', () => {
      pings++;
      client.write(PONG);
    });
  }
  const { cpu: before } = await used();
  pings = 0;
  await until(() => pings > 3 * 2000);
  const { cpu: after, open: stillOpen } = await used();
  expect(stillOpen).toBe(2000);
  // Three PINGs, three PONGs and three checks for a stall must cost less than opening the tunnels.
  expect(after - before).toBeLessThan(before - start);
});

describe('an event loop that is blocked for longer than any deadline', { timeout: 60_000 }, () => {
  const TUNNELS = 50;
  // Short, so that a closed tunnel soon disappears from the count.
  const closeTimeout = 0.1;

  test.each([
    ['pongTimeout', { pingInterval: 0.1, pongTimeout: 0.3 }, {}],
    ['idleTimeout', { idleTimeout: 0.4 }, {}],
    ['readTimeout', {}, { readTimeout: 0.4 }],
    ['writeTimeout', {}, { writeTimeout: 0.4 }],
  ])('does not end living tunnels: %s', (_name, options, host) =>
    undisturbed(150, async () => {
      const echo = await startEcho();
      const { used, open } = await startProcess({
        server: { port: echo.port, ...host },
        closeTimeout,
        ...options,
      });
      for (let i = 0; i < TUNNELS; i++) {
        const client = await open();
        client.on('data', (bytes: Buffer) => {
          if (bytes[0] === 0x89) client.write(PONG);
        });
        const beat = setInterval(() => client.write(frame(2, 'beat')), 50);
        onCleanup(() => clearInterval(beat));
      }
      for (const stall of [700, 1000]) {
        await wait(Math.random() * 200);
        await used(stall);
      }
      await wait(600);
      const { open: left, ended } = await used();
      expect({ left, ended }).toEqual({ left: TUNNELS, ended: {} });
    }),
  );

  test('does not end the tunnel of a backend whose bytes were still queued', () =>
    undisturbed(50, async () => {
      const echo = await startEcho();
      const { used, open } = await startProcess({
        server: { port: echo.port, readTimeout: 0.4 },
        closeTimeout,
      });
      const client = await open();
      for (const stall of [500, 1000]) {
        client.write(frame(2, 'asked before'));
        await once(client, 'data');
        await wait(50);
        const over = used(stall);
        await wait(50);
        client.write(frame(2, 'asked while it stood still'));
        await over;
        await wait(200);
        const { open: left, ended } = await used();
        expect({ left, ended }).toEqual({ left: 1, ended: {} });
      }
    }));
});

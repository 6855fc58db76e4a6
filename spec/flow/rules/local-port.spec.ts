import { expect, test } from 'vitest';
import { wstunnel } from '../../../src/index.js';
import { handshake, RawClient } from '../../support/raw-client.js';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import express from 'express';
import { connect } from 'node:net';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, listen, makeTunnel, portOf, startEcho } from '../../support/servers.js';

test('issue 13, case 8: localPort in a rule is the port that accepted the connection', async () => {
  const backend = await startEcho();
  const own = await closedPort();
  const tunnel = makeTunnel({
    rules: [
      { url: '/one', when: { localPort: own }, server: { port: backend.port } },
      { url: '/none', when: { localPort: [1, 2] }, server: { port: backend.port } },
      { url: '/not', when: { not: { localPort: own } }, server: { port: backend.port } },
    ],
  });
  const app = express().use(tunnel);
  const [first, other, unix] = [createServer(app), createServer(app), createServer(app)];
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-port-'));
  onCleanup(() => rm(folder, { recursive: true }));
  await listen(other);
  await listen(unix, join(folder, 's'));
  first.listen(own, '127.0.0.1');
  onCleanup(() => void first.close());
  const statusAt = async (to: number | string, path: string) => {
    const client = typeof to === 'number' ? new RawClient(to) : new RawClient(connect(to));
    return (await client.send(handshake(path)).answer()).status;
  };
  expect(await statusAt(own, '/one')).toBe(101);
  expect(await statusAt(portOf(other), '/one')).toBe(404);
  expect(await statusAt(join(folder, 's'), '/one')).toBe(404);
  expect(await statusAt(own, '/none')).toBe(404);
  expect(await statusAt(own, '/not')).toBe(404);
  expect(await statusAt(join(folder, 's'), '/not')).toBe(101);
});

test('issue 13, case 8: localPort accepts a port or a list of ports', () => {
  const rule = (localPort: unknown) => () =>
    wstunnel({ rules: [{ when: { localPort: localPort as number } }] });
  expect(rule([])).toThrow(/rules\[0\]\.when\.localPort needs at least one port/);
  expect(rule('80')).toThrow(/localPort must be a whole number from 1 to 65535/);
  expect(rule([80, 0])).toThrow(/localPort must be/);
  expect(rule([80, 443])).not.toThrow();
});

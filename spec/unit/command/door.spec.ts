import { createServer } from 'node:http';
import { Socket } from 'node:net';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  ConnectionFilter,
  type ConnectionFilterOptions,
} from '../../../src/command/listen/server/connection-filter.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen } from '../../support/servers.js';

/** A server with a connection filter, and the sockets that passed the filter. */
async function behindDoor(options: Partial<ConnectionFilterOptions> = {}, path?: string) {
  const server = createServer();
  const given: Socket[] = [];
  server.removeAllListeners('connection').on('connection', (socket: Socket) => given.push(socket));
  const warn = vi.fn();
  new ConnectionFilter({ maxConnections: 10, warn, ...options }).attach(server);
  await listen(server, path);
  return { server, given, warn };
}

async function socketPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-filter-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return join(folder, 's');
}

describe('issue 12, case 13: a connection without an address', () => {
  test('is a local peer on a unix socket, and a client that has left on a port', async () => {
    const local = await behindDoor({}, await socketPath());
    const peer = new Socket();
    local.server.emit('connection', peer);
    expect(local.given).toEqual([peer]);
    expect(peer.destroyed).toBe(false);

    // A closed TCP connection has no address either, and --trust-proxy may trust the peers of unix sockets.
    const remote = await behindDoor();
    const gone = new Socket();
    remote.server.emit('connection', gone);
    expect([gone.destroyed, remote.given]).toEqual([true, []]);
  });

  test('is a proxy if --trust-proxy lists it', async () => {
    const isProxy = vi.fn(() => false);
    const { server, given, warn } = await behindDoor({ isProxy }, await socketPath());
    const peer = new Socket();
    server.emit('connection', peer);
    expect([given.length, peer.destroyed, isProxy.mock.calls]).toEqual([0, true, [[undefined]]]);
    expect(warn.mock.calls).toEqual([
      ['a connection of a local peer was closed: --trust-proxy does not list it'],
    ]);
  });
});

test('refused in a flood is reported by one warning', async () => {
  const { server, warn } = await behindDoor({ maxConnections: 1 }, await socketPath());
  const sockets = Array.from({ length: 50 }, () => new Socket());
  for (const socket of sockets) server.emit('connection', socket);
  expect(sockets.map(({ destroyed }) => destroyed)).toEqual([
    false,
    ...Array.from({ length: 49 }, () => true),
  ]);
  expect(warn).toHaveBeenCalledTimes(1);
});

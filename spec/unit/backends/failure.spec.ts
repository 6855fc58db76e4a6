import { once } from 'node:events';
import { connect, type NetConnectOpts } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../../../src/backends/failure.js';
import { onCleanup } from '../../support/cleanup.js';
import { Program } from '../../support/programs.js';
import { closedPort } from '../../support/servers.js';
import { temporaryFolder } from '../../support/spawned.js';

const error = (code: string) => Object.assign(new Error(code), { code });

async function errorOf(where: NetConnectOpts): Promise<Error> {
  const socket = connect(where);
  onCleanup(() => socket.destroy());
  const [failed] = (await once(socket, 'error')) as [Error];
  return failed;
}

describe('issue 12, case 10: a failed connection', () => {
  test('marks the host as down if it is refused or the path is missing', async () => {
    expect(failureOf(await errorOf({ port: await closedPort(), host: '127.0.0.1' }))).toBe('down');
    expect(failureOf(await errorOf({ path: '/nowhere/vnc' }))).toBe('down');
  });

  test('does not mark the host as down if this machine lacks the local address', async () => {
    const where = { port: await closedPort(), host: '127.0.0.1', localAddress: '192.0.2.1' };
    expect(failureOf(await errorOf(where))).toBe('ours');
  });

  test.skipIf(process.platform !== 'linux')('to a unix socket with a full queue is temporary', async () => {
    const path = join(await temporaryFolder(), 'full');
    const program = new Program('/usr/bin/env', [
      ...['node', '-e'],
      `require('node:net').createServer().listen({ path: process.argv[1], backlog: 1 }, () => {
        require('node:fs').writeSync(1, 'listening');
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
      })`,
      path,
    ]);
    await program.prints(/listening/);
    const queued = Array.from({ length: 8 }, () => connect({ path }));
    onCleanup(() => queued.forEach((socket) => socket.destroy()));
    const failed = await Promise.race(
      queued.map(async (socket) => (await once(socket, 'error'))[0] as Error),
    );
    expect(failed).toMatchObject({ code: 'EAGAIN' });
    expect(failureOf(failed)).toBe('passing');
  });

  test('to several addresses is a local failure only if each attempt was', () => {
    expect(failureOf(new AggregateError([error('EMFILE'), error('EMFILE')]))).toBe('ours');
    expect(failureOf(new AggregateError([error('EADDRNOTAVAIL'), error('ECONNREFUSED')]))).toBe('down');
    expect(failureOf(new AggregateError([error('ECONNREFUSED'), error('ECONNRESET')]))).toBe('passing');
    const wrapped = new Error('both', { cause: new AggregateError([error('ENOBUFS')]) });
    expect(failureOf(wrapped)).toBe('ours');
  });

  test.each([undefined, null, 'text', {}, new Error('no code'), new AggregateError([])])(
    'with %o marks the host as down',
    (odd) => {
      expect(failureOf(odd)).toBe('down');
    },
  );
});

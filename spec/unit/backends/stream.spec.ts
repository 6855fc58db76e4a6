import { once } from 'node:events';
import { createServer, connect as connectTcp } from 'node:net';
import { PassThrough, Readable, type Duplex } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { dial } from '../../../src/backends/dial.js';
import type { Host } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';
import { onCleanup } from '../../support/cleanup.js';
import { closedPort, listen, portOf } from '../../support/servers.js';
import { deferred, until } from '../../support/wait.js';

const never = new AbortController().signal;
const dialled = (connect: Host['connect'], signal = never, more: Host = {}) =>
  dial(readHosts({ connect: connect!, connectTimeout: 5, ...more }, 'server')[0]!, signal);

test('a stream that `connect` returns or promises is paused', async () => {
  for (const promised of [false, true]) {
    const stream = new PassThrough();
    stream.write('banner');
    const got = await dialled(() => (promised ? Promise.resolve(stream) : stream));
    expect([got, stream].map((one) => one.isPaused())).toEqual([true, true]);
    expect(got.listenerCount('error')).toBe(1);
    const banner = once(got.resume(), 'data');
    expect(await banner).toEqual([Buffer.from('banner')]);
  }
});

test('a socket that is still connecting is awaited', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined));
  await listen(server);
  const stream = await dialled(() => connectTcp(portOf(server), '127.0.0.1'));
  expect(stream).toMatchObject({ connecting: false });
  onCleanup(() => stream.destroy());
});

describe('502 with the cause', () => {
  test.each<[string, () => Duplex | Promise<Duplex>, string]>([
    [
      'a throw',
      () => {
        throw new Error('no desk');
      },
      'no desk',
    ],
    ['a rejection', () => Promise.reject(new Error('no desk')), 'no desk'],
    [
      'a stream that is destroyed',
      () => new PassThrough().destroy(),
      'the connection was closed before it was established',
    ],
    [
      'a stream that has failed',
      () => {
        return new PassThrough().destroy(new Error('broken'));
      },
      'broken',
    ],
  ])('%s', async (_name, connect, message) => {
    await expect(dialled(connect)).rejects.toMatchObject({
      code: 'WSTUNNEL_BACKEND_REFUSED',
      cause: { message: expect.stringContaining(message) as string },
    });
  });

  test('a socket that cannot connect', async () => {
    const port = await closedPort();
    await expect(dialled(() => connectTcp(port, '127.0.0.1'))).rejects.toMatchObject({
      code: 'WSTUNNEL_BACKEND_REFUSED',
      cause: { message: expect.stringContaining('ECONNREFUSED') as string },
    });
  });
});

describe('500 for a result of the wrong kind', () => {
  const twice = new PassThrough();
  test.each<[string, () => unknown]>([
    ['nothing', () => undefined],
    ['something else', () => ({ pipe: 1 })],
    ['a readable', () => Readable.from([])],
    ['objects', () => new PassThrough({ objectMode: true })],
    ['text', () => new PassThrough().setEncoding('utf8')],
  ])('%s', async (_name, connect) => {
    await expect(dialled(connect as Host['connect'])).rejects.toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED' });
  });

  test('a stream that another tunnel uses', async () => {
    await dialled(() => twice);
    await expect(dialled(() => twice)).rejects.toMatchObject({ code: 'WSTUNNEL_HOOK_FAILED' });
  });
});

describe('a stream that arrives too late is destroyed', () => {
  test('after connectTimeout, with 504', async () => {
    const late = new PassThrough();
    const { promise, resolve: give } = deferred<Duplex>();
    await expect(dialled(() => promise, never, { connectTimeout: 0.05 })).rejects.toMatchObject({
      code: 'WSTUNNEL_BACKEND_TIMEOUT',
    });
    give(late);
    await until(() => late.destroyed);
  });

  test('after the abort, also while it is still connecting', async () => {
    const controller = new AbortController();
    const reason = new Error('gone');
    const sockets: Duplex[] = [];
    const connect = () => {
      sockets.push(
        connectTcp({
          port: 9,
          host: 'desk.test',
          lookup: () => setImmediate(() => controller.abort(reason)),
        }),
      );
      return sockets[0]!;
    };
    await expect(dialled(connect, controller.signal)).rejects.toBe(reason);
    expect(sockets[0]?.destroyed).toBe(true);
  });
});

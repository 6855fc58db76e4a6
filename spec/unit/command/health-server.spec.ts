import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { HealthServer, type Health } from '../../../src/command/listen/health/health-server.js';
import { onCleanup } from '../../support/cleanup.js';

/** More bytes than the kernel keeps for a connection on loopback. */
const LONG_PAGE = 'x'.repeat(30_000_000);

test('a request that is no GET or HEAD gets 405, and an unknown path 404', async () => {
  let state = 'ok';
  const health = { works: () => 'ok', accepts: () => state } as Health;
  const server = await HealthServer.open({ host: '127.0.0.1', port: 0 }, undefined, health, undefined);
  onCleanup(() => server.close());
  const [, port] = /:(\d+): \/healthz/.exec(server.line) ?? [];
  const ask = async (method: string, path: string) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [answer.status, answer.headers.get('allow'), await answer.text()];
  };
  expect(await ask('POST', '/readyz')).toEqual([405, 'GET, HEAD', 'method not allowed\n']);
  expect(await ask('HEAD', '/readyz?a')).toEqual([200, null, '']);
  for (const path of ['/metrics', '/', '/healthz/'])
    expect(await ask('GET', path)).toEqual([404, null, 'not found\n']);
  state = 'draining';
  expect(await ask('GET', '/readyz')).toEqual([503, null, 'draining\n']);
  expect(await ask('GET', '/healthz')).toEqual([200, null, 'ok\n']);
});

test('a client that does not read its page of metrics is disconnected within twelve seconds', async () => {
  const address = { host: '127.0.0.1', port: 0 };
  const health: Health = { works: () => 'ok', accepts: () => 'ok' };
  const server = await HealthServer.open(address, undefined, health, () => LONG_PAGE);
  onCleanup(() => server.close());
  const [, port] = /:(\d+): \/metrics/.exec(server.line) ?? [];
  const socket = connect(Number(port), '127.0.0.1').on('error', () => undefined);
  onCleanup(() => void socket.destroy());
  const since = performance.now();
  socket.pause().write('GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n');
  // A paused socket does not see its end, and a read would be a sign of life: the test reads after the time.
  await new Promise((resolve) => setTimeout(resolve, 12_500));
  let received = 0;
  socket.on('data', (chunk: Buffer) => (received += chunk.length)).resume();
  await once(socket, 'close');
  expect(received).toBeLessThan(LONG_PAGE.length);
  expect(performance.now() - since).toBeLessThan(18_000);
});

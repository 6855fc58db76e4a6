import { once } from 'node:events';
import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { HealthServer, type Health } from '../../../src/command/listen/health/health-server.js';
import { onCleanup } from '../../support/cleanup.js';

/** More bytes than the kernel keeps for a connection on loopback. */
const LONG_PAGE = 'x'.repeat(30_000_000);

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

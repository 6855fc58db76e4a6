// One process of several, started by index.ts.
import { redisShared } from 'express-wstunnel/redis';
import { createClient } from 'redis';
import { startDemo } from '../app.js';
import type { Order, ReplicaSettings, Report } from './messages.js';
import { RedisStore } from './session-store.js';

/** Milliseconds between two reports of the traffic, for the chart on the desktop. */
const REPORT_EVERY = 100;

/** Seconds without a sign of life after which the slots of a killed replica are free. Short, for people who try it. */
const TTL = 5;

const report = (message: Report) => {
  if (process.connected) process.send?.(message);
};
const say = (line: string) => report({ line });

// Ctrl-C reaches every process of the terminal. The first process ends this one in order.
process.on('SIGINT', () => undefined);

process.on('message', (order: Order) => {
  if ('start' in order) void start(order.start);
});

async function start({ name, secret, redis, ...options }: ReplicaSettings): Promise<void> {
  const { port, password } = redis;
  const client = createClient({
    password,
    socket: { host: '127.0.0.1', port },
    // While Redis is down, a page is an error at once instead of a wait.
    disableOfflineQueue: true,
  });
  // The event 'shared' tells the same.
  client.on('error', () => undefined);
  await client.connect();
  const shared = redisShared(client, { replica: name.replace(' ', '-'), ttl: TTL });
  const sessions = { secret, store: new RedisStore(client) };
  const demo = await startDemo({ ...options, port: 0, sessions, shared });
  const { tunnel } = demo;
  let wasDown = false;
  tunnel.on('open', () => say('a desktop was opened'));
  tunnel.on('close', ({ cause }) => say(`a desktop was closed (${cause})`));
  tunnel.on('shared', ({ up, reason }) => {
    if (up && wasDown) say('Redis is reached again');
    else if (!up) say(`Redis is not reached: ${reason}`);
    wasDown = !up;
  });

  const timer = setInterval(() => {
    const { bytesIn, bytesOut } = tunnel.stats();
    report({ carried: { bytesIn, bytesOut } });
  }, REPORT_EVERY);

  const close = async (isOrphan: boolean) => {
    clearInterval(timer);
    await demo.close();
    await shared.close();
    // The process that would end Redis has died.
    if (isOrphan) await client.sendCommand(['SHUTDOWN', 'NOSAVE']).catch(() => undefined);
    client.destroy();
    process.exit();
  };
  const orphaned = () => void close(true);
  process.once('disconnect', orphaned);
  process.on('message', (order: Order) => {
    if (!('end' in order)) return;
    process.off('disconnect', orphaned);
    void close(false);
  });
  report({ port: demo.port });
}

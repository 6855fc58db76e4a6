// One process of several, started by index.ts.
import { redisShared } from 'express-wstunnel/redis';
import { createClient } from 'redis';
import { startDemo } from '../app.js';
import type { Order, ReplicaSettings, Report } from './messages.js';
import { RedisRoles } from './role-store.js';
import { RedisStore } from './session-store.js';

/** Milliseconds between two reports of the traffic, for the chart on the desktop. */
const REPORT_EVERY = 100;

/** Milliseconds to finish a start. */
const START_TIME = 5000;

/** Seconds without a heartbeat after which the slots of a killed replica are free. Short, so that the effect is soon visible. */
const TTL = 5;

const report = (message: Report) => {
  if (process.connected) process.send?.(message);
};
const say = (line: string) => report({ line });

// Ctrl-C reaches every process of the terminal. The first process ends this one in order.
process.on('SIGINT', () => undefined);

let close: ((isOrphan: boolean) => Promise<void>) | undefined;

process.on('message', (order: Order) => {
  if ('start' in order) void start(order.start);
  else {
    process.off('disconnect', orphaned);
    void close?.(false);
  }
});
process.once('disconnect', orphaned);

/** The first process has died. During the start, start() ends this one, unless Redis has died too and is never reached. */
function orphaned(): void {
  if (close) void close(true);
  else setTimeout(() => process.exit(1), START_TIME);
}

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
  const sessions = { secret, store: new RedisStore(client), roles: new RedisRoles(client) };
  const demo = await startDemo({ ...options, port: 0, sessions, shared });
  const { tunnel } = demo;
  let wasDown = false;
  tunnel.on('open', () => say('a desktop was opened'));
  tunnel.on('close', ({ cause }) => say(`a desktop was closed (${cause})`));
  tunnel.on('shared', ({ up, reason }) => {
    if (up && wasDown) say('Redis is reached again');
    else if (!up) say(`Redis cannot be reached: ${reason}`);
    wasDown = !up;
  });

  const timer = setInterval(() => {
    const { bytesIn, bytesOut } = tunnel.stats();
    report({ carried: { bytesIn, bytesOut } });
  }, REPORT_EVERY);

  close = async (isOrphan) => {
    clearInterval(timer);
    await demo.close();
    await shared.close();
    // The process that would end Redis has died.
    if (isOrphan) await client.sendCommand(['SHUTDOWN', 'NOSAVE']).catch(() => undefined);
    client.destroy();
    process.exit();
  };
  if (process.connected) report({ port: demo.port });
  else await close(true);
}

import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { expect, test, vi } from 'vitest';
import { redisShared, type IoRedisClient, type NodeRedisClient } from '../../src/redis/index.js';
import { onCleanup } from '../support/cleanup.js';
import { closedPort } from '../support/closed-port.js';
import { watchComplaints } from '../support/leftovers.js';
import { describeWith } from '../support/programs.js';
import { echoes } from '../support/raw-client.js';
import { askRedis, redisClient, startRedis, type ClientKind } from '../support/redis.js';
import { holds, sleep, until } from '../support/wait.js';
import { startReplica } from './replica-sites.js';
import { storeHasTruth } from './store-truth.js';

const KINDS = ['node-redis', 'ioredis'] as const satisfies readonly ClientKind[];
const LIMITS = { limits: { total: 10, perUser: 2 } };

/** A client that has not connected yet, and has no listeners. */
function newClient(
  kind: ClientKind,
  port: number,
  password?: string,
): { client: NodeRedisClient | IoRedisClient; connect: () => void; end: () => void } {
  if (kind === 'ioredis') {
    const client = new Redis(port, '127.0.0.1', { lazyConnect: true, ...(password && { password }) });
    const end = () => client.disconnect();
    onCleanup(end);
    return { client, connect: () => void client.connect().catch(() => undefined), end };
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}`, ...(password && { password }) });
  const end = () => client.destroy();
  onCleanup(() => client.isOpen && client.destroy());
  return { client, connect: () => void client.connect().catch(() => undefined), end };
}

async function connectionsOf(redis: Redis): Promise<number> {
  return String(await redis.client('LIST'))
    .trim()
    .split('\n').length;
}

/** The lines on stderr from now on. */
function watchLog(): readonly string[] {
  const lines: string[] = [];
  const written = vi
    .spyOn(process.stderr, 'write')
    .mockImplementation((line) => lines.push(String(line)) > 0);
  const printed = ['log', 'warn', 'error'].map((name) =>
    vi.spyOn(console, name as 'log').mockImplementation((...args) => lines.push(args.map(String).join(' '))),
  );
  onCleanup(() => [written, ...printed].forEach((spy) => spy.mockRestore()));
  return lines;
}

describeWith('redis-server').each(KINDS)('redisShared with %s', (kind) => {
  test('whose password is wrong: an event and the log report this without the password, and tunnels open', async () => {
    const complaints = watchComplaints();
    const lines = watchLog();
    const { port } = await startRedis(undefined, '--requirepass', 'right-one');
    const { client, connect } = newClient(kind, port, 'wrong-secret');
    connect();
    const shared = redisShared(client, { timeout: 0.5, ttl: 3 });
    const site = await startReplica(shared, { ...LIMITS, debug: 4 });
    await until(() => site.changes.some(({ up }) => !up) || lines.some((line) => /shared state:/.test(line)));
    await echoes(await site.open('ann'));
    await sleep(700);
    expect(shared.up).toBe(false);
    expect(lines.filter((line) => /shared state:/.test(line))).not.toEqual([]);
    expect(JSON.stringify([lines, site.changes])).not.toContain('wrong-secret');
    await shared.close();
    expect(complaints).toEqual([]);
  });

  test('and no error listener: the process survives the death of Redis, also while closing', async () => {
    const complaints = watchComplaints();
    const { port, program } = await startRedis();
    const { client, connect } = newClient(kind, port);
    connect();
    const shared = redisShared(client, { timeout: 0.3, ttl: 3, names: 'plain' });
    const site = await startReplica(shared, LIMITS);
    await until(() => shared.up);
    const held = await site.open('ann');
    await program.stop();
    await until(() => !shared.up);
    await echoes(held);
    await startRedis(port);
    await until(() => shared.up);
    await storeHasTruth(port, [site]);
    expect(complaints).toEqual([]);
  });

  test('that connects later joins when it is connected', async () => {
    const port = await closedPort();
    const { client, connect } = newClient(kind, port);
    const shared = redisShared(client, { timeout: 0.3, ttl: 3, names: 'plain' });
    const site = await startReplica(shared, LIMITS);
    await site.open('ann');
    await sleep(500);
    expect(shared.up).toBe(false);
    await startRedis(port);
    connect();
    await until(() => shared.up);
    await storeHasTruth(port, [site]);
  });

  test('that the app has closed: the state is down, reports this, and closes at once', async () => {
    const complaints = watchComplaints();
    const { port } = await startRedis();
    const { client, connect, end } = newClient(kind, port);
    connect();
    const shared = redisShared(client, { timeout: 0.3, ttl: 3, whenDown: 'refuse' });
    const site = await startReplica(shared, LIMITS);
    await until(() => shared.up);
    await holds(async () => expect(await site.status('ann')).toBe(101));
    end();
    await holds(async () => expect(await site.status('ann')).toBe(503));
    await until(() => !shared.up);
    expect(site.changes.at(-1)?.reason).toMatch(/clos/i);
    await shared.close();
    expect(complaints).toEqual([]);
  });

  test('leaves no listener, connection or lease after close()', async () => {
    const { port } = await startRedis();
    const client = await redisClient(kind, port);
    const emitter = client as unknown as NodeJS.EventEmitter;
    const listeners = () => emitter.eventNames().map((name) => [name, emitter.listenerCount(name)]);
    const redis = askRedis(port);
    await redis.ping();
    const before = listeners();
    const connections = () => connectionsOf(redis);
    const count = await connections();
    for (let round = 0; round < 20; round++) {
      const shared = redisShared(client, { replica: `replica-${round}` });
      if (round % 2 === 0) await until(() => shared.up);
      await shared.close();
      expect(listeners()).toEqual(before);
    }
    await holds(async () => expect(await connections()).toBe(count));
    await holds(async () =>
      expect(await redis.zrangebyscore('wstunnel:{1}:replicas', 0, '(+inf')).toEqual([]),
    );
  });

  test('close() while Redis is down ends within the timeout, and no connection is opened afterwards', async () => {
    const complaints = watchComplaints();
    const { port, program } = await startRedis();
    const client = await redisClient(kind, port);
    const up = redisShared(client, { timeout: 0.3, ttl: 3 });
    await until(() => up.up);
    await program.stop();
    const down = redisShared(client, { timeout: 0.3, ttl: 3 });
    await until(() => !up.up);
    const started = performance.now();
    await Promise.all([up.close(), down.close()]);
    expect(performance.now() - started).toBeLessThan(3000);
    await startRedis(port);
    const redis = askRedis(port);
    await sleep(2500);
    // The app's own client, and this one.
    await holds(async () => expect(await connectionsOf(redis)).toBe(2));
    await holds(async () =>
      expect(await redis.zrangebyscore('wstunnel:{1}:replicas', 0, '(+inf')).toEqual([]),
    );
    expect(complaints).toEqual([]);
  });

  test('may serve two states, also with the same name: counts are exact, and ends reach both', async () => {
    const { port } = await startRedis();
    const client = await redisClient(kind, port);
    const settings = { replica: 'twin', names: 'plain', ttl: 3, whenDown: 'refuse' } as const;
    const one = await startReplica(redisShared(client, settings), LIMITS);
    const other = await startReplica(redisShared(client, settings), LIMITS);
    await holds(async () => expect(await one.status('cid')).toBe(101));
    const [ann, far] = [await one.open('ann'), await other.open('ann')];
    expect([await one.status('ann'), await other.status('ann')]).toEqual([429, 429]);
    await storeHasTruth(port, [one, other]);
    await other.shared.close();
    expect(await one.status('ann')).toBe(101);
    const again = await startReplica(redisShared(client, settings), LIMITS);
    await until(() => again.shared.up);
    const next = await again.open('ann');
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    expect((await next.close())?.code).toBe(1008);
    expect((await ann.close())?.code).toBe(1008);
    await echoes(far);
  });

  test('whose offline queue is off still receives messages from other replicas', async () => {
    const { port } = await startRedis();
    const client =
      kind === 'ioredis'
        ? new Redis(port, '127.0.0.1', { enableOfflineQueue: false, maxRetriesPerRequest: 0 })
        : await createClient({ url: `redis://127.0.0.1:${port}`, disableOfflineQueue: true }).connect();
    onCleanup(() => (client instanceof Redis ? client.disconnect() : client.destroy()));
    const one = await startReplica(redisShared(client, { ttl: 6 }), LIMITS);
    const other = await startReplica(redisShared(await redisClient('ioredis', port), { ttl: 6 }), LIMITS);
    await until(() => one.shared.up && other.shared.up);
    const held = await one.open('ann');
    await holds(async () =>
      expect(await other.tunnel.end({ user: 'ann' })).toMatchObject({ silent: [], ended: 1 }),
    );
    expect((await held.close())?.code).toBe(1008);
  });
});

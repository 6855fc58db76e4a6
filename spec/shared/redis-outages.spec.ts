import { expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import type { RedisOptions } from '../../src/redis/index.js';
import { echoes, openRaw, requestTunnel } from '../support/raw-client.js';
import { describeWith } from '../support/programs.js';
import { askRedis, startRedis } from '../support/redis.js';
import { startEcho } from '../support/servers.js';
import { holds, sleep, until } from '../support/wait.js';
import { redisReplicas, type ReplicaSite } from './replica-sites.js';
import { storedSlots, storeHasTruth } from './store-truth.js';

const KEY = 'wstunnel:{1}:';

async function start(options: Partial<TunnelOptions> = {}, settings: RedisOptions = {}) {
  const { port, program } = await startRedis();
  const backend = await startEcho();
  const sites = await redisReplicas(
    port,
    ['node-redis', 'ioredis'],
    { server: { port: backend.port }, limits: { total: 50, perUser: 2 }, ...options },
    { names: 'plain', timeout: 0.5, ...settings },
  );
  const [one, other] = sites as [ReplicaSite, ReplicaSite];
  return { port, program, sites, one, other, redis: askRedis(port) };
}

const isDown = ({ shared }: ReplicaSite) => !shared.up;
const isUp = ({ shared }: ReplicaSite) => shared.up;

describeWith('redis-server')('redisShared: a Redis', () => {
  test('that answers after the timeout: late slots are given back, and no tunnel ends', async () => {
    const { port, one, other, sites, redis } = await start();
    const held = await one.open('ann');
    await redis.client('PAUSE', 2000, 'ALL');
    const during = await Promise.all([one.status('bob'), other.status('bob'), other.status('cid')]);
    expect(during).toEqual([503, 503, 503]);
    await until(() => sites.every(isUp));
    await storeHasTruth(port, sites);
    await holds(async () => expect(await other.status('bob')).toBe(101));
    await echoes(held);
    await storeHasTruth(port, sites);
    for (const { changes } of sites) expect(changes.map(({ up }) => up).slice(-2)).toEqual([false, true]);
  });

  test('that is blocked by a script: late answers do not leak slots', async () => {
    const { port, one, other, sites, redis } = await start({}, { whenDown: 'local' });
    const asleep = redis.call('DEBUG', 'SLEEP', '1.5').catch(() => undefined);
    await sleep(50);
    const clients = await Promise.all([one.open('ann'), one.open('bob'), other.open('cid')]);
    await asleep;
    await until(() => sites.every(isUp));
    await storeHasTruth(port, sites);
    for (const client of clients) await echoes(client);
    clients[0].socket.destroy();
    await storeHasTruth(port, sites);
  });

  test('that is killed is noticed soon by idle processes, with the reason', async () => {
    const { program, sites } = await start({}, { ttl: 300 });
    program.process.kill('SIGKILL');
    await until(() => sites.every(isDown));
    for (const { changes } of sites)
      expect(changes.at(-1)?.reason).toMatch(/ECONNREFUSED|closed unexpectedly|ECONNRESET/);
  });

  test('that becomes read-only: new tunnels are refused, the reason is reported, and counts are right again afterwards', async () => {
    const { port, one, other, sites, redis } = await start();
    const held = await one.open('ann');
    await redis.replicaof('127.0.0.1', '1');
    expect(await other.status('bob')).toBe(503);
    await until(() => sites.every(isDown));
    expect(one.changes.at(-1)?.reason).toMatch(/READONLY/);
    await redis.replicaof('NO', 'ONE');
    await until(() => sites.every(isUp));
    await echoes(held);
    await other.open('ann');
    expect(await one.status('ann')).toBe(429);
    await storeHasTruth(port, sites);
  });

  test('whose memory is full when tunnels end: these tunnels are not counted afterwards', async () => {
    const { port, one, sites, redis } = await start({}, { ttl: 30 });
    const held = await one.open('ann');
    await one.open('bob');
    await redis.config('SET', 'maxmemory', '1');
    held.socket.destroy();
    await until(() => isDown(one));
    await redis.config('SET', 'maxmemory', '0');
    await storeHasTruth(port, sites);
  });

  test('that is unreachable for several tries counts nothing twice when it is back', async () => {
    const { port, one, sites, redis } = await start({}, { ttl: 30 });
    await one.open('ann');
    // Joins meanwhile have no effect: the store is full.
    await redis.config('SET', 'maxmemory', '1');
    await until(async () => (await one.status('bob')) === 503 && isDown(one));
    await sleep(1500);
    await redis.config('SET', 'maxmemory', '0');
    await until(() => sites.every(isUp));
    await storeHasTruth(port, sites);
    expect(await one.status('ann')).toBe(101);
  });

  test('of a thousand tries for one slot from two replicas, one opens a tunnel', async () => {
    const { port, one, other, sites } = await start(
      { limits: { total: 1, opening: 0 } },
      { timeout: 10, ttl: 60 },
    );
    const clients = Array.from({ length: 1000 }, (_, index) =>
      requestTunnel((index % 2 === 0 ? one : other).port, '/tunnel', { 'X-User': 'ann' }),
    );
    const statuses = await Promise.all(clients.map(async (client) => (await client.answer()).status));
    expect(statuses.filter((status) => status === 101)).toHaveLength(1);
    expect(new Set(statuses)).toEqual(new Set([101, 503]));
    const redis = askRedis(port);
    await holds(async () => expect(await storedSlots(redis)).toEqual({ total: 1 }));
    expect(sites.flatMap(({ tunnel }) => tunnel.tunnels())).toHaveLength(1);
  });
});

describeWith('redis-server')('redisShared: keys that Redis loses', () => {
  test.each(['replicas', 'epoch', 'last-end', 'ends', 'slots:total', 'slots:user ann'])(
    'the counts are right again after the loss of %s',
    async (key) => {
      const { port, one, other, sites, redis } = await start();
      const held = [await one.open('ann'), await other.open('ann'), await other.open('bob')];
      await one.tunnel.end({ user: 'nobody' });
      expect(await redis.del(KEY + key)).toBe(1);
      await storeHasTruth(port, sites);
      await holds(async () => expect(await one.status('ann')).toBe(429));
      await holds(async () => expect(await one.status('cid')).toBe(101));
      for (const client of held) await echoes(client);
      held[0]?.socket.destroy();
      await storeHasTruth(port, sites);
    },
  );

  test('a store that lost the leases of replicas gives no slot beyond the limit before they have joined again', async () => {
    const { one, other, redis } = await start();
    await one.open('ann');
    await one.open('ann');
    await redis.del(`${KEY}replicas`);
    const during = await Promise.all(Array.from({ length: 20 }, () => other.status('ann')));
    expect(during.filter((status) => status === 101)).toEqual([]);
  });

  test.each(['replicas', 'epoch', 'filling', 'last-end', 'ends'])(
    'a value of another type at %s ends no tunnel, and is replaced where it prevents counting',
    async (key) => {
      const { port, one, other, sites, redis } = await start();
      const held = await one.open('ann');
      const far = await other.open('bob');
      await redis.del(KEY + key);
      await (key === 'last-end' ? redis.lpush(KEY + key, 'x') : redis.set(KEY + key, 'x'));
      await holds(async () => expect(await other.status('cid')).toBe(101));
      await holds(async () => expect(await one.tunnel.end({ user: 'bob' })).toMatchObject({ silent: [] }));
      expect((await far.close())?.code).toBe(1008);
      await echoes(held);
      far.socket.destroy();
      await storeHasTruth(port, sites);
      await until(() => sites.every(isUp));
    },
  );

  test('counts of dead replicas do not pile up under a name that is always in use', async () => {
    const { one, other, redis } = await start();
    await one.open('ann');
    await redis.hset(`${KEY}slots:total`, 'gone#1#1', 7, 'gone#2#1', 'text');
    await other.open('bob');
    expect(Object.values(await redis.hgetall(`${KEY}slots:total`))).toEqual(['1', '1']);
  });

  test('a count that is not a number does not take the store down', async () => {
    const { port, one, other, redis } = await start();
    await openRaw(one.port, '/tunnel', { 'X-User': 'ann' });
    const [id = ''] = Object.keys(await redis.hgetall(`${KEY}slots:user ann`));
    await redis.hset(`${KEY}slots:user ann`, id, 'text');
    expect(await other.status('ann')).toBe(101);
    expect(other.changes.filter(({ up }) => !up)).toEqual([]);
    await storeHasTruth(port, [one, other]);
  });
});

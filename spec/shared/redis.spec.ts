import { expect, test } from 'vitest';
import type { TunnelOptions } from '../../src/index.js';
import { redisShared } from '../../src/redis/index.js';
import { echoes, type RawClient } from '../support/raw-client.js';
import { describeWith } from '../support/programs.js';
import { askRedis, redisClient, startRedis, type ClientKind } from '../support/redis.js';
import { startEcho } from '../support/servers.js';
import { holds, until } from '../support/wait.js';
import { filled, redisReplicas, startReplica, type ReplicaSite } from './replica-sites.js';

const BOTH = ['node-redis', 'ioredis'] as const satisfies readonly ClientKind[];

async function start(options: Partial<TunnelOptions> = {}, kinds: readonly ClientKind[] = BOTH) {
  const { port, program } = await startRedis();
  const backend = await startEcho();
  const sites = await redisReplicas(port, kinds, { server: { port: backend.port }, ...options });
  const [one, other] = sites as [ReplicaSite, ReplicaSite];
  return { port, program, backend, sites, one, other };
}

const closeCode = async (client: RawClient) => (await client.close())?.code;

describeWith('redis-server')('redisShared: limits of all replicas together', () => {
  test.each([
    ['total', { total: 3 }, 503],
    ['perUser', { perUser: 3 }, 429],
    ['perClient', { perClient: 3 }, 429],
  ])(
    'limits.%s holds over replicas with different clients, and a closed tunnel frees its slot',
    async (_, limits, refusal) => {
      const { one, other } = await start({ limits });
      const first = await one.open('ann');
      await other.open('ann');
      await other.open('ann');
      expect([await one.status('ann'), await other.status('ann')]).toEqual([refusal, refusal]);
      first.socket.destroy();
      await holds(async () => expect(await other.status('ann')).toBe(101));
    },
  );

  test('maxTunnels of a host holds over replicas', async () => {
    const backend = await startEcho();
    const { one, other } = await start({ server: { port: backend.port, maxTunnels: 2 } });
    await one.open('ann');
    await other.open('bob');
    expect([await one.status('cid'), await other.status('cid')]).toEqual([503, 503]);
  });

  test('limits.opening holds over replicas if the app sets it', async () => {
    let free = (): void => undefined;
    const authenticate = () => new Promise<boolean>((resolve) => (free = () => resolve(true)));
    const { port, one, other } = await start({ limits: { opening: 1 }, authenticate });
    const first = one.open('ann');
    await until(async () => (await askRedis(port).exists('wstunnel:{1}:slots:opening')) === 1);
    await holds(async () => expect(await other.status('bob')).toBe(503));
    free();
    await echoes(await first);
  });

  test('of a thousand tries for one slot from two replicas, exactly one succeeds', async () => {
    const { one, other } = await start({ limits: { total: 1, opening: 0 } });
    const tries = Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? one : other));
    const statuses = await Promise.all(tries.map((site, index) => site.status(`user-${index}`)));
    const opened = statuses.filter((status) => status === 101).length;
    // statusOf() ends its tunnel at once, and the slot is free again: the count of the store shows whether two were open together.
    expect(opened).toBeGreaterThan(0);
    expect(statuses.filter((status) => status !== 101 && status !== 503)).toEqual([]);
  });

  test("onFull: 'takeover' ends the user's tunnel on the other replica", async () => {
    const backend = await startEcho();
    const { one, other } = await start({ server: { port: backend.port, maxTunnels: 1, onFull: 'takeover' } });
    const old = await one.open('ann');
    const next = other.open('ann');
    expect(await closeCode(old)).toBe(4409);
    old.socket.destroy();
    await echoes(await next);
    expect(one.closed).toMatchObject([{ cause: 'replaced' }]);
    expect(await other.status('bob')).toBe(503);
  });
});

describeWith('redis-server')('redisShared: end()', () => {
  test('ends tunnels of all replicas, and names none as silent', async () => {
    const { one, other } = await start();
    const [ann, bob, far] = [await one.open('ann'), await one.open('bob'), await other.open('ann')];
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    expect([await closeCode(ann), await closeCode(far)]).toEqual([1008, 1008]);
    await echoes(bob);
  });

  test('refuses a request that another replica is opening', async () => {
    let free = (): void => undefined;
    const authenticate = () => new Promise<boolean>((resolve) => (free = () => resolve(true)));
    const { one, other } = await start({ authenticate });
    const status = other.status('ann');
    await until(() => other.tunnel.stats().opening === 1);
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 1, silent: [] });
    free();
    expect(await status).toBe(403);
  });

  test('does not end a tunnel that was opened after the call', async () => {
    const { one, other } = await start();
    await one.tunnel.end({ user: 'ann' });
    const next = await other.open('ann');
    await echoes(next);
    expect(other.closed).toEqual([]);
  });
});

describeWith('redis-server')('redisShared: failures of Redis', () => {
  test('an emptied store gives no slot before it has the counts of all replicas again', async () => {
    const { port, one, other } = await start({ limits: { perUser: 2 } });
    await one.open('ann');
    await other.open('ann');
    await askRedis(port).flushall();
    const during = await one.status('ann');
    expect([429, 503]).toContain(during);
    await filled(port);
    await holds(async () => expect([await one.status('ann'), await other.status('ann')]).toEqual([429, 429]));
    expect(await one.status('bob')).toBe(101);
  });

  test('an emptied store gives no slot while a replica is still writing its counts', async () => {
    const { port, one } = await start({ limits: { perUser: 2 } });
    const redis = askRedis(port);
    // The member of a replica that writes.
    await redis.zadd('wstunnel:{1}:replicas', Date.now() + 60_000, '#slow#a1b2#7');
    expect(await one.status('ann')).toBe(503);
    await redis.zrem('wstunnel:{1}:replicas', '#slow#a1b2#7');
    expect(await one.status('ann')).toBe(101);
  });

  test('scripts that Redis has forgotten are sent again', async () => {
    const { port, one, other } = await start({ limits: { perUser: 1 } });
    await one.open('ann');
    await askRedis(port).script('FLUSH');
    expect(await other.status('ann')).toBe(429);
    expect(await other.status('bob')).toBe(101);
  });

  test("a killed Redis: new tunnels get 503 with whenDown 'refuse', open ones go on, and a new Redis gets all counts", async () => {
    const { port, program, one, other } = await start({ limits: { perUser: 2 } });
    const [ann, far] = [await one.open('ann'), await other.open('ann')];
    await program.stop();
    await holds(async () => expect(await one.status('bob')).toBe(503));
    await until(() => one.changes.some(({ up }) => !up) && other.changes.some(({ up }) => !up));
    await echoes(ann);
    await echoes(far);
    expect(await one.tunnel.end({ user: 'nobody' })).toMatchObject({ ended: 0, silent: ['replica-1'] });
    await startRedis(port);
    await filled(port);
    await holds(async () => expect(await one.status('ann')).toBe(429));
    await holds(async () => expect(await other.status('bob')).toBe(101));
    expect(one.closed.length).toBe(0);
  });

  test('an end that did not reach the others in time reaches them later', async () => {
    const { port, program, one, other } = await start();
    const far = await other.open('ann');
    await program.stop();
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 0, silent: ['replica-1'] });
    await startRedis(port);
    expect(await closeCode(far)).toBe(1008);
  });

  test("counts within the process while Redis is down with whenDown 'local'", async () => {
    const { port, program } = await startRedis();
    const shared = redisShared(await redisClient('node-redis', port), { ttl: 3, timeout: 0.3 });
    const site = await startReplica(shared, { limits: { perUser: 1 } });
    await until(() => shared.up);
    await site.open('ann');
    await program.stop();
    await holds(async () => expect(await site.status('ann')).toBe(429));
    expect(await site.status('bob')).toBe(101);
  });

  test('a value of another type at a key refuses tunnels under that key alone', async () => {
    const { port, one } = await start({ limits: { perUser: 1 } });
    const held = await one.open('ann');
    const redis = askRedis(port);
    const [key = ''] = await redis.keys('*slots:user*');
    await redis.del(key);
    await redis.set(key, 'text');
    expect(await one.status('ann')).toBe(429);
    held.socket.destroy();
    await holds(async () => expect(await one.status('ann')).toBe(503));
    expect(await one.status('bob')).toBe(101);
    expect(one.changes.filter(({ up }) => !up)).toEqual([]);
  });

  test('names of users and addresses are not in the keys', async () => {
    const { port, one } = await start({ limits: { perUser: 5, perClient: 5 } });
    await one.open('ann');
    const keys = await askRedis(port).keys('*');
    expect(keys.filter((key) => key.includes('slots'))).toHaveLength(2);
    expect(keys.filter((key) => /ann|127/.test(key))).toEqual([]);
  });
});

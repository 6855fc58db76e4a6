import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { describeWith, Program } from '../support/programs.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { askRedis, startRedis } from '../support/redis.js';
import { startEcho } from '../support/servers.js';
import { holds, sleep, until } from '../support/wait.js';
import { redisReplicas, type ReplicaSite } from './replica-sites.js';
import { storedSlots, storeHasTruth } from './store-truth.js';

const SCRIPT = fileURLToPath(new URL('replica-process.mjs', import.meta.url));

/** A replica in this process, and the means to start others. */
async function start() {
  const { port } = await startRedis();
  const backend = await startEcho();
  const sites = await redisReplicas(
    port,
    ['ioredis'],
    { server: { port: backend.port }, limits: { total: 50, perUser: 2 } },
    { names: 'plain' },
  );
  const [site] = sites as [ReplicaSite];
  const replica = async (name: string, hours = 0) => {
    const program = new Program(process.execPath, [
      SCRIPT,
      String(port),
      String(backend.port),
      name,
      String(hours),
    ]);
    const [, at] = await program.prints(/port (\d+)/);
    const headers = (user: string) => ['/tunnel', { 'X-User': user }] as const;
    await until(async () => (await statusOf(Number(at), ...headers('probe'))) === 101);
    return {
      program,
      open: (user: string) => openRaw(Number(at), ...headers(user)),
      status: (user: string) => statusOf(Number(at), ...headers(user)),
    };
  };
  return { port, site, replica, redis: askRedis(port) };
}

describeWith('redis-server')('redisShared: other processes', () => {
  test('a killed process loses its slots within ttl, and a successor of the same name starts with none', async () => {
    const { port, site, replica, redis } = await start();
    const far = await replica('far');
    await far.open('ann');
    await far.open('ann');
    expect(await site.status('ann')).toBe(429);
    far.program.process.kill('SIGKILL');
    const next = await replica('far');
    const bob = await next.open('bob');
    await holds(async () => expect(await site.status('ann')).toBe(101));
    await holds(async () => expect(await storedSlots(redis)).toEqual({ total: 1, 'user bob': 1 }));
    expect(await site.tunnel.end({ user: 'bob' })).toEqual({ ended: 1, silent: [] });
    bob.socket.destroy();
    await storeHasTruth(port, [site]);
  });

  test('a process that is stopped beyond its lease first applies missed ends, and then counts its tunnels again', async () => {
    const { site, replica, redis } = await start();
    const far = await replica('far');
    const [ann, bob] = [await far.open('ann'), await far.open('bob')];
    far.program.process.kill('SIGSTOP');
    await holds(async () => expect(await site.status('ann')).toBe(101));
    await until(async () => (await storedSlots(redis)).total === undefined);
    expect(await site.tunnel.end({ user: 'ann' })).toEqual({ ended: 0, silent: [] });
    far.program.process.kill('SIGCONT');
    expect((await ann.close())?.code).toBe(1008);
    ann.socket.destroy();
    await echoes(bob);
    await holds(async () => expect(await storedSlots(redis)).toEqual({ total: 1, 'user bob': 1 }));
    await far.open('bob');
    expect(await site.status('bob')).toBe(429);
    expect(far.program.output).not.toMatch(/closed bob/);
  });

  test('a process that is stopped is silent for a logout, and applies it later', async () => {
    const { site, replica } = await start();
    const far = await replica('far');
    const ann = await far.open('ann');
    far.program.process.kill('SIGSTOP');
    expect(await site.tunnel.end({ user: 'ann' })).toEqual({ ended: 0, silent: ['far'] });
    far.program.process.kill('SIGCONT');
    expect((await ann.close())?.code).toBe(1008);
  });

  test('a clock that is an hour wrong changes neither leases nor ends', async () => {
    const { site, replica, redis } = await start();
    const [ahead, behind] = [await replica('ahead', 1), await replica('behind', -1)];
    const early = await ahead.open('ann');
    expect(await behind.status('ann')).toBe(101);
    await sleep(3500);
    await echoes(early);
    await holds(async () => expect(await storedSlots(redis)).toEqual({ total: 1, 'user ann': 1 }));
    expect(await site.tunnel.end({ user: 'ann' })).toEqual({ ended: 1, silent: [] });
    expect((await early.close())?.code).toBe(1008);
    await echoes(await behind.open('ann'));
    await echoes(await ahead.open('bob'));
  });

  test('that are killed or stopped in turn under load never exceed the limit', async () => {
    const { port, site, replica, redis } = await start();
    let most = 0;
    const watch = setInterval(() => {
      void storedSlots(redis).then(
        (slots) => (most = Math.max(most, slots['user ann'] ?? 0)),
        () => undefined,
      );
    }, 20);
    for (let round = 0; round < 2; round++) {
      const far = await replica(`far-${round}`);
      const tries = Array.from({ length: 60 }, (_, index) =>
        (index % 2 === 0 ? far : site).status('ann').catch(() => 0),
      );
      await sleep(10);
      far.program.process.kill(round === 0 ? 'SIGKILL' : 'SIGSTOP');
      if (round === 1) setTimeout(() => far.program.process.kill('SIGCONT'), 500);
      await Promise.all(tries);
      await far.program.stop();
    }
    clearInterval(watch);
    expect(most).toBeLessThanOrEqual(2);
    await storeHasTruth(port, [site]);
  });
});

import { expect, test, vi } from 'vitest';
import { redisShared } from '../../src/redis/index.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { echoes, statusOf } from '../support/raw-client.js';
import { askRedis, redisClient, startRedis, type ClientKind } from '../support/redis.js';
import { startEcho } from '../support/servers.js';
import { holds, sleep, until } from '../support/wait.js';
import { redisReplicas, startReplica, type ReplicaSite } from './replica-sites.js';
import { storeHasTruth } from './store-truth.js';

const KEY = 'wstunnel:{1}:';
const KINDS = ['node-redis', 'ioredis'] as const satisfies readonly ClientKind[];

async function start(kinds: readonly ClientKind[] = KINDS, ttl = 6) {
  const { port, program } = await startRedis();
  const backend = await startEcho();
  const logs: string[] = [];
  const written = vi.spyOn(process.stderr, 'write').mockImplementation((line) => {
    logs.push(String(line));
    return true;
  });
  onCleanup(() => written.mockRestore());
  const sites = await redisReplicas(
    port,
    kinds,
    {
      server: { port: backend.port },
      limits: { total: 50, perUser: 50 },
      debug: 2,
    },
    { names: 'plain', ttl },
  );
  const [one, other] = sites as [ReplicaSite, ReplicaSite];
  return { port, program, sites, one, other, redis: askRedis(port), logs };
}

const endOf = (where: object, more: object = {}) =>
  JSON.stringify({ where, code: 1008, reason: '', from: 'far#1', ...more });

describeWith('redis-server')('redisShared: ends whose messages are lost', () => {
  test.each(KINDS)('reach a replica with %s whose subscription has just broken', async (kind) => {
    const { port, one, other, sites, redis } = await start(['ioredis', kind], 30);
    for (let round = 0; round < 5; round++) {
      const far = await other.open('ann');
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await one.tunnel.end({ user: 'ann' });
      expect((await far.close())?.code).toBe(1008);
      far.socket.destroy();
      await until(() => sites.every(({ shared }) => shared.up));
    }
    await storeHasTruth(port, sites);
  });

  test.each(KINDS)('reach a replica with %s before its next tunnel opens', async (kind) => {
    const { one, other, redis } = await start(['ioredis', kind], 60);
    const far = await other.open('ann');
    // Only in the list, without a message.
    const last = (await redis.get(`${KEY}last-end`)) ?? '0-0';
    const id = await redis.xadd(`${KEY}ends`, '*', 'text', endOf({ user: 'ann' }), 'previous', last);
    await redis.set(`${KEY}last-end`, id ?? '');
    await sleep(50);
    await echoes(far);
    await other.open('bob');
    expect((await far.close())?.code).toBe(1008);
    expect(one.closed).toEqual([]);
  });

  test('are counted by the caller although the list was read before the message', async () => {
    const { one, other } = await start();
    for (let round = 0; round < 20; round++) {
      const far = await other.open('ann');
      const [{ ended }] = await Promise.all([one.tunnel.end({ user: 'ann' }), other.status('bob')]);
      expect(ended).toBe(1);
      far.socket.destroy();
      await until(() => other.tunnel.tunnels().length === 0);
    }
  });

  test('that the list no longer has are logged, and the replica goes on', async () => {
    const { port, one, other, sites, redis, logs } = await start(KINDS, 3);
    await other.open('ann');
    await redis.client('PAUSE', 100);
    // An end that no replica has read, and that is not in the list.
    let previous = `${Date.now() + 900}-0`;
    const many = redis.pipeline();
    for (let index = 0; index < 10_000; index++) {
      const id = `${Date.now() + 1000}-${index}`;
      many.xadd(`${KEY}ends`, id, 'text', endOf({ user: `nobody ${index}` }), 'previous', previous);
      previous = id;
    }
    many.set(`${KEY}last-end`, previous);
    await many.exec();
    await until(() => logs.some((line) => line.includes('has forgotten')));
    // A replica that is still reading the list may refuse for a moment.
    const far = await holds(() => other.open('bob'));
    expect(await one.tunnel.end({ user: 'bob' })).toEqual({ ended: 1, silent: [] });
    expect((await far.close())?.code).toBe(1008);
    far.socket.destroy();
    await storeHasTruth(port, sites);
  });
});

describeWith('redis-server')('redisShared: ends at the wrong time', () => {
  test('a logout that was kept while Redis was down does not end tunnels opened since', async () => {
    const { port, program, one, other } = await start(KINDS, 3);
    const before = await other.open('ann');
    await program.stop();
    expect(await one.tunnel.end({ user: 'ann' })).toMatchObject({ silent: ['replica-1'] });
    await startRedis(port);
    expect((await before.close())?.code).toBe(1008);
    const kept = await startReplica(
      redisShared(await redisClient('ioredis', port), { replica: 'late', names: 'plain' }),
      { limits: { total: 50 } },
    );
    await holds(async () => expect(await kept.status('bob')).toBe(101));
    // The same call a second time: it was kept for 60 seconds.
    const after = await kept.open('ann');
    const redis = askRedis(port);
    const last = (await redis.get(`${KEY}last-end`)) ?? '0-0';
    const text = endOf({ user: 'ann' }, { age: 60_000 });
    const id = await redis.xadd(`${KEY}ends`, '*', 'text', text, 'previous', last);
    await redis.set(`${KEY}last-end`, id ?? '');
    await holds(async () => expect(await kept.status('cid')).toBe(101));
    await echoes(after);
  });

  test('a logout at the same time as openings on another replica leaves no tunnel open', async () => {
    const { port, one, other, sites } = await start();
    for (let round = 0; round < 10; round++) {
      const openings = Array.from({ length: 10 }, () => other.status('ann').catch(() => 0));
      const { silent } = await one.tunnel.end({ user: 'ann' });
      expect(silent).toEqual([]);
      await Promise.all(openings);
    }
    const slow = Array.from({ length: 20 }, () =>
      statusOf(other.port, '/tunnel', { 'X-User': 'ann' }).catch(() => 0),
    );
    await Promise.all(slow);
    await until(() => sites.every(({ tunnel }) => tunnel.tunnels().length === 0));
    await storeHasTruth(port, sites);
  });

  test('names a replica as silent that has joined since the last heartbeat', async () => {
    const { program, one } = await start(KINDS, 60);
    await program.stop();
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 0, silent: ['replica-1'] });
  });

  test('a Redis that was emptied and whose clock is behind still delivers ends', async () => {
    const { one, other, redis } = await start(KINDS, 3);
    // As an end of an hour ahead, before the store was emptied.
    const ahead = `${Date.now() + 3600_000}-0`;
    await redis.xadd(`${KEY}ends`, ahead, 'text', endOf({ user: 'nobody' }), 'previous', '0-0');
    await redis.set(`${KEY}last-end`, ahead);
    await other.open('bob');
    await one.open('bob');
    await redis.flushall();
    await until(async () => (await redis.exists(`${KEY}epoch`)) === 1);
    await holds(async () => expect(await other.status('bob')).toBe(101));
    const far = await other.open('ann');
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 1, silent: [] });
    expect((await far.close())?.code).toBe(1008);
  });

  test('a list whose ids are an hour ahead of the clock does not end later tunnels', async () => {
    const { one, other, redis } = await start();
    const ahead = `${Date.now() + 3600_000}-0`;
    await redis.xadd(`${KEY}ends`, ahead, 'text', endOf({ user: 'nobody' }), 'previous', '0-0');
    await redis.set(`${KEY}last-end`, ahead);
    await other.status('bob');
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 0, silent: [] });
    await echoes(await other.open('ann'));
  });
});

describeWith('redis-server')('redisShared: invalid and unknown messages', () => {
  test('garbage on the channels changes nothing', async () => {
    const { port, one, other, sites, redis } = await start();
    const held = [await one.open('ann'), await other.open('ann')];
    const replica = (
      (await redis.zrangebyscore(`${KEY}replicas`, 0, '+inf')).find((id) => id.startsWith('replica-1')) ?? ''
    ).replace(/#\d+$/, '');
    const messages = [
      '', '{', 'null', '[]', '7', 'x'.repeat(1_000_000), '{"kind":"end"}', '{"kind":"later","from":"x","mood":1}',
      '{"kind":"__proto__","from":"x"}', '{"kind":"hosts","from":"x","loads":{"__proto__":1},"down":{"a":1e99}}',
      '{"kind":"ask","from":"x","question":"q","about":"constructor","data":null}',
      '{"kind":"ask","from":"x","question":"q","about":"replace","data":{"id":"__proto__"}}',
      '{"kind":"ask","from":"x","question":"q","about":"oldest","data":{"user":"ann","hosts":[{}]}}',
      '{"kind":"ask","from":"x","question":"q","about":"tunnels","data":{"user":7}}',
      '{"kind":"answer","from":"x","question":"q","data":{}}', '{"kind":"hello","from":"x"}', '{"kind":"bye","from":"x"}',
      JSON.stringify({ kind: 'end', from: 'x', id: 'abc', previous: '', at: 1e99, text: endOf({ user: 'ann' }) }),
      JSON.stringify({ kind: 'end', from: 'x', id: '1-0', previous: '0-0', at: 0, text: 'no' }),
    ]; // prettier-ignore
    for (const message of messages)
      for (const channel of [`${KEY}all`, `${KEY}to:${replica}`]) await redis.publish(channel, message);
    for (let round = 0; round < 200; round++)
      await redis.publish(`${KEY}all`, '{"kind":"emptied","from":"x"}');
    await holds(async () => expect(await other.status('bob')).toBe(101));
    for (const client of held) await echoes(client);
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    for (const client of held) client.socket.destroy();
    await storeHasTruth(port, sites);
    await until(() => sites.every(({ shared }) => shared.up));
  });

  test('an end with a filter field of a later version ends nothing, is logged, and makes the replica silent', async () => {
    const { one, other, redis, logs } = await start();
    const far = await other.open('ann');
    const last = (await redis.get(`${KEY}last-end`)) ?? '0-0';
    const text = endOf({ user: 'ann', group: 'x' });
    const id = (await redis.xadd(`${KEY}ends`, '*', 'text', text, 'previous', last)) ?? '';
    await redis.set(`${KEY}last-end`, id);
    await redis.publish(
      `${KEY}all`,
      JSON.stringify({ kind: 'end', from: 'far#1', id, previous: last, at: Date.now(), text }),
    );
    await until(() => logs.filter((line) => line.includes('later version')).length === 2);
    await echoes(far);
    expect(await one.tunnel.end({ user: 'ann' })).toEqual({ ended: 1, silent: [] });
  });
});

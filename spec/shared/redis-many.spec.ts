import { describe, expect, test } from 'vitest';
import { RedisBackplane } from '../../src/redis/redis-backplane.js';
import { readClient } from '../../src/redis/redis-client.js';
import { describeWith } from '../support/programs.js';
import { redisClient, startRedis } from '../support/redis.js';
import { until } from '../support/wait.js';
import { filled } from './replica-sites.js';

// Scripts look up few replicas one by one, and many by a list.
describeWith('redis-server')('a count of many replicas in Redis', () => {
  describe.for([3, 30])('%i of them', (count) => {
    test('is the sum over live replicas, without those that left or sent no heartbeat', async () => {
      const { port } = await startRedis();
      const client = readClient(await redisClient('ioredis', port));
      const make = (ttl: number) =>
        new RedisBackplane(client, { prefix: 'wstunnel:', ttl, timeout: 5, names: 'plain' });
      const backplane = make(30);
      const ids = Array.from({ length: count }, (_, number) => `replica-${number}#1`);
      for (const id of ids) await backplane.join(id, undefined, [{ name: 'total', count: 2 }]);
      await make(1).join('silent#1', undefined, [{ name: 'total', count: 2 }]);
      await filled(port);
      const take = (most: number) => backplane.take('replica-0#1', [{ name: 'total', most }]);
      await until(async () => (await backplane.beat('replica-0#1')).replicas.length === count);
      expect(await take(2 * count)).toMatchObject({ kind: 'full', index: 0 });
      expect(await take(2 * count + 1)).toMatchObject({ kind: 'taken' });
      await backplane.leave('replica-1#1');
      expect(await take(2 * count)).toMatchObject({ kind: 'taken' });
      expect(await take(2 * count)).toMatchObject({ kind: 'full' });
    });
  });
});

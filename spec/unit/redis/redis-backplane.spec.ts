import { expect, test } from 'vitest';
import type { RedisClient } from '../../../src/redis/redis-client.js';
import { RedisBackplane } from '../../../src/redis/redis-backplane.js';
import { ADJUST, RAISE, TAKE, type Script } from '../../../src/redis/scripts.js';

test('changes and counts of many names are sent before the calls that follow', async () => {
  const sent: Script[] = [];
  const client = {
    run: async (script: Script) => {
      sent.push(script);
      await new Promise(setImmediate);
      return script === TAKE ? ['0-0', 'taken', 0] : 1;
    },
  } as unknown as RedisClient;
  const settings = { prefix: 'p:', ttl: 45, timeout: 1, names: 'plain' } as const;
  const backplane = new RedisBackplane(client, settings);
  const changes = Array.from({ length: 600 }, (_, index) => ({ name: `user ${index}`, count: -1 }));
  const calls = [
    backplane.adjust('a#1#1', changes),
    backplane.take('a#1#1', [{ name: 'user 599', most: 1 }]),
    backplane.refresh('a#1#1', changes),
    backplane.adjust('a#1#1', changes.slice(-1)),
  ];
  await Promise.all(calls);
  expect(sent).toEqual([ADJUST, ADJUST, ADJUST, TAKE, RAISE, RAISE, RAISE, ADJUST]);
});

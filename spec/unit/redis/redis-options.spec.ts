import { expect, test } from 'vitest';
import { readRedisOptions } from '../../../src/redis/redis-options.js';

test.each([
  [{ prefix: 'a b:' }, 'redisShared().prefix must not contain spaces, braces or "#"; got \'a b:\''],
  [{ replica: 'desk{1}' }, 'redisShared().replica must not contain spaces, braces or "#"'],
  [{ replica: 'desk#1' }, 'redisShared().replica must not contain spaces, braces or "#"'],
  [{ prefix: 7 }, 'redisShared().prefix must be'],
  [{ ttl: 6, timeout: 3 }, 'timeout must be at most a third of the 6 seconds of ttl; got 3'],
  [{ whenDown: 'allow' }, 'redisShared().whenDown must be'],
  [{ name: 'desk' }, 'redisShared() has no "name"'],
])('%j is refused', (options, message) => {
  expect(() => readRedisOptions(options as never)).toThrow(message);
});

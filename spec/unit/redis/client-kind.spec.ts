import { createClient, createClientPool, createCluster } from 'redis';
import { expect, test } from 'vitest';
import { redisShared } from '../../../src/redis/index.js';
import { refuseMistakenClient } from '../../../src/redis/client-kind.js';

const url = 'redis://127.0.0.1:1';

test.each([
  [
    'a promise',
    () => Promise.resolve(createClient({ url })),
    /client must be .* not a promise: await the promise first/,
  ],
  [
    'a pool of node-redis',
    () => createClientPool({ url }),
    /client must be .*, not a pool: give the result of createClient/,
  ],
] as const)('redisShared() refuses %s, and says what to give', (_, make, message) => {
  expect(() => redisShared(make() as never)).toThrow(
    expect.objectContaining({ code: 'WSTUNNEL_OPTION', message: expect.stringMatching(message) as string }),
  );
});

test.each<[string, () => unknown]>([
  ['a client', () => createClient({ url })],
  ['a cluster', () => createCluster({ rootNodes: [{ url }] })],
  ['undefined', () => undefined],
])('%s is left to the check of the methods', (_, make) => {
  expect(() => refuseMistakenClient(make())).not.toThrow();
});

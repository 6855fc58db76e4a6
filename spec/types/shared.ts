// Only compiled, never run: see types.spec.ts.
import { Cluster, Redis } from 'ioredis';
import { createClient, createClientPool, createCluster, createSentinel } from 'redis';
import { expectTypeOf } from 'vitest';
import { clusterShared, type ClusterOptions } from '../../src/cluster/index.mjs';
import { wstunnel, type SharedInfo, type SharedState } from '../../src/index.mjs';
import { redisShared, type RedisOptions } from '../../src/redis/index.mjs';

// Clients of both packages.
const client = createClient({ url: 'redis://127.0.0.1' });
expectTypeOf(redisShared(client)).toEqualTypeOf<SharedState>();
redisShared(createClient({ RESP: 3 }));
redisShared(createClient({ RESP: 2 }));
redisShared(createCluster({ rootNodes: [{ url: 'redis://127.0.0.1' }] }));
redisShared(createSentinel({ name: 'main', sentinelRootNodes: [{ host: '127.0.0.1', port: 26379 }] }));
redisShared(new Redis());
redisShared(new Cluster([{ host: '127.0.0.1', port: 6379 }]));
// @ts-expect-error a pool cannot subscribe
redisShared(createClientPool());
// @ts-expect-error an address is no client
redisShared('redis://127.0.0.1');
// @ts-expect-error a client is required
redisShared();

const options: RedisOptions = { prefix: 'app:', replica: 'one', ttl: 30, timeout: 0.5, whenDown: 'refuse' };
const shared = redisShared(client, { ...options, names: 'plain' });
// @ts-expect-error the name is whenDown
redisShared(client, { onDown: 'local' });
// @ts-expect-error seconds are a number
redisShared(client, { ttl: '30s' });

const workers: ClusterOptions = { ttl: 10, timeout: 1, whenDown: 'local' };
expectTypeOf(clusterShared(workers)).toEqualTypeOf<SharedState>();
clusterShared();
// @ts-expect-error the primary needs no prefix
clusterShared({ prefix: 'app:' });

expectTypeOf(shared.up).toEqualTypeOf<boolean>();
expectTypeOf(shared.close()).toEqualTypeOf<Promise<void>>();
wstunnel({ server: { port: 5900 }, shared }).on('shared', (info) => {
  expectTypeOf(info).toEqualTypeOf<SharedInfo>();
  expectTypeOf(info.up).toEqualTypeOf<boolean>();
});

import type { SharedState } from '../types.js';
import { distributedState } from '../shared/distributed-state.js';
import { refuseMistakenClient } from './client-kind.js';
import { readClient, type IoRedisClient, type NodeRedisClient } from './redis-client.js';
import { RedisBackplane } from './redis-backplane.js';
import { readRedisOptions, type RedisOptions } from './redis-options.js';

export type { SharedState } from '../types.js';
export type { RedisOptions } from './redis-options.js';
export type { IoRedisClient, NodeRedisClient } from './redis-client.js';

/**
 * State that several processes share over Redis, for the option `shared` of `wstunnel()`.
 *
 *     import { createClient } from 'redis';
 *     const client = createClient({ url: 'redis://10.0.0.5' });
 *     client.on('error', (error) => console.error(error.message));
 *     client.connect().catch(() => undefined);   // tunnels do not wait for Redis
 *     const shared = redisShared(client);
 *     app.use('/vnc', requireLogin, wstunnel({ server: { port: 5900 }, limits: { perUser: 3 }, shared }));
 *
 * `client`: from the package `redis` (a client, cluster or sentinel) or `ioredis` (`Redis` or `Cluster`). The state does not close
 * the client: close the client after the state.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option or another kind of client.
 */
export function redisShared(
  client: NodeRedisClient | IoRedisClient,
  options: RedisOptions = {},
): SharedState {
  refuseMistakenClient(client);
  const read = readClient(client);
  const settings = readRedisOptions(options);
  return distributedState(new RedisBackplane(read, settings), settings);
}

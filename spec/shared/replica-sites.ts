import type { IncomingMessage } from 'node:http';
import type { ClosedInfo, SharedInfo, SharedState, Tunnel, TunnelOptions } from '../../src/index.js';
import { redisShared, type RedisOptions } from '../../src/redis/index.js';
import { openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { onCleanup } from '../support/cleanup.js';
import { askRedis, redisClient, type ClientKind } from '../support/redis.js';
import { startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

/** A tunnel object with a separate replica: for the store, it is a process. */
export interface ReplicaSite {
  readonly port: number;
  readonly tunnel: Tunnel;
  readonly shared: SharedState;
  readonly closed: ClosedInfo[];
  readonly changes: SharedInfo[];
  open(user: string): Promise<RawClient>;
  status(user: string): Promise<number>;
}

/** By the header X-User. */
export const userOf = (req: IncomingMessage): string | undefined =>
  req.headers['x-user'] as string | undefined;

export async function startReplica(
  shared: SharedState,
  options: Partial<TunnelOptions>,
): Promise<ReplicaSite> {
  // Closed after the tunnel: steps run in reverse order.
  onCleanup(() => shared.close());
  const { port, tunnel } = await startTunnel({ user: userOf, shared, ...options });
  const closed: ClosedInfo[] = [];
  const changes: SharedInfo[] = [];
  tunnel.on('close', (info) => closed.push(info));
  tunnel.on('shared', (info) => changes.push(info));
  return {
    ...{ port, tunnel, shared, closed, changes },
    open: (user) => openRaw(port, '/tunnel', { 'X-User': user }),
    status: (user) => statusOf(port, '/tunnel', { 'X-User': user }),
  };
}

/** Replicas over one Redis, when all of them have joined and slots are given. */
export async function redisReplicas(
  port: number,
  kinds: readonly ClientKind[],
  options: Partial<TunnelOptions>,
  settings: RedisOptions = {},
): Promise<ReplicaSite[]> {
  const sites: ReplicaSite[] = [];
  for (const [index, kind] of kinds.entries()) {
    const client = await redisClient(kind, port);
    const shared = redisShared(client, {
      replica: `replica-${index}`,
      ttl: 3,
      whenDown: 'refuse',
      ...settings,
    });
    sites.push(await startReplica(shared, options));
  }
  // An empty store gives no slots at first.
  await until(async () => (await askRedis(port).del('wstunnel:{1}:filling')) === 1);
  await until(() => sites.every(({ shared }) => shared.up));
  return sites;
}

/** Resolves when an empty store gives slots again. */
export async function filled(port: number): Promise<void> {
  const redis = askRedis(port);
  await until(async () => (await redis.exists('wstunnel:{1}:epoch')) === 1);
  await until(async () => (await redis.exists('wstunnel:{1}:filling')) === 0);
}

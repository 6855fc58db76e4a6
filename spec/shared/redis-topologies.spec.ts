import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Cluster, Redis } from 'ioredis';
import { createCluster, createSentinel } from 'redis';
import { expect, test } from 'vitest';
import { redisShared, type IoRedisClient, type NodeRedisClient } from '../../src/redis/index.js';
import { onCleanup } from '../support/cleanup.js';
import { closedPort } from '../support/closed-port.js';
import { describeWith, Program } from '../support/programs.js';
import { echoes } from '../support/raw-client.js';
import { askRedis, startRedis, type ClientKind, type RedisServer } from '../support/redis.js';
import { startEcho } from '../support/servers.js';
import { holds, until } from '../support/wait.js';
import { startReplica, type ReplicaSite } from './replica-sites.js';

const KINDS = ['node-redis', 'ioredis'] as const satisfies readonly ClientKind[];

async function startSites(clients: readonly (NodeRedisClient | IoRedisClient)[]) {
  const backend = await startEcho();
  const sites: ReplicaSite[] = [];
  for (const [index, client] of clients.entries()) {
    const shared = redisShared(client, { replica: `replica-${index}`, ttl: 6, whenDown: 'refuse' });
    sites.push(
      await startReplica(shared, { server: { port: backend.port }, limits: { total: 50, perUser: 2 } }),
    );
  }
  await until(() => sites.every(({ shared }) => shared.up));
  await holds(async () => expect(await sites[0]?.status('probe')).toBe(101));
  return sites as [ReplicaSite, ReplicaSite];
}

/** A node of a cluster, not yet with slots. */
async function startNode(): Promise<RedisServer> {
  return startRedis(
    undefined,
    ...['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-announce-ip', '127.0.0.1'],
    ...['--cluster-port', String(await closedPort())],
  );
}

async function isWhole(port: number): Promise<boolean> {
  return String(await askRedis(port).call('CLUSTER', 'INFO')).includes('cluster_state:ok');
}

/** One node with all slots: enough for a cluster client to ask where a key is. */
async function startCluster(): Promise<number> {
  const { port } = await startNode();
  await askRedis(port).call('CLUSTER', 'ADDSLOTSRANGE', '0', '16383');
  await until(() => isWhole(port));
  return port;
}

/** Three main nodes, and a copy of the one that has the keys. */
async function startLargeCluster() {
  const mains = [await startNode(), await startNode(), await startNode()] as const;
  const copy = await startNode();
  const keySlot = Number(await askRedis(mains[0].port).call('CLUSTER', 'KEYSLOT', 'wstunnel:{1}:replicas'));
  const ranges = [
    [0, 5460],
    [5461, 10_922],
    [10_923, 16_383],
  ] as const;
  for (const [index, [from, to]] of ranges.entries())
    await askRedis(mains[index]?.port ?? 0).call('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
  const busOf = async (port: number) => {
    const [, bus = ''] = /@(\d+)/.exec(String(await askRedis(port).call('CLUSTER', 'NODES'))) ?? [];
    return bus;
  };
  for (const { port } of [...mains.slice(1), copy])
    await askRedis(mains[0].port).call('CLUSTER', 'MEET', '127.0.0.1', String(port), await busOf(port));
  const holder = mains[ranges.findIndex(([from, to]) => from <= keySlot && keySlot <= to)] ?? mains[0];
  const id = String(await askRedis(holder.port).call('CLUSTER', 'MYID'));
  await until(async () => String(await askRedis(copy.port).call('CLUSTER', 'NODES')).includes(id));
  await askRedis(copy.port).call('CLUSTER', 'REPLICATE', id);
  for (const { port } of mains) await until(() => isWhole(port));
  await until(async () => (await askRedis(copy.port).info()).includes('master_link_status:up'));
  const other = mains.find((node) => node !== holder) ?? mains[0];
  return { port: other.port, holder, copy };
}

async function clusterClient(kind: ClientKind, port: number): Promise<NodeRedisClient | IoRedisClient> {
  if (kind === 'ioredis') {
    const cluster = new Cluster([{ host: '127.0.0.1', port }]);
    onCleanup(() => cluster.disconnect());
    return cluster;
  }
  const cluster = createCluster({ rootNodes: [{ url: `redis://127.0.0.1:${port}` }] });
  await cluster.connect();
  onCleanup(() => cluster.destroy());
  return cluster;
}

describeWith('redis-server')('redisShared: Redis Cluster', () => {
  test.each(KINDS)('with %s: limits and ends hold, also after a lost subscription', async (kind) => {
    const port = await startCluster();
    const [one, other] = await startSites([
      await clusterClient(kind, port),
      await clusterClient('ioredis', port),
    ]);
    await one.open('ann');
    const far = await other.open('ann');
    expect([await one.status('ann'), await other.status('ann')]).toEqual([429, 429]);
    expect(await other.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    far.socket.destroy();
    const again = await one.open('bob');
    await askRedis(port).call('CLIENT', 'KILL', 'TYPE', 'pubsub');
    await other.tunnel.end({ user: 'bob' });
    expect((await again.close())?.code).toBe(1008);
    // Messages arrive again.
    await one.open('cid');
    await holds(async () =>
      expect(await other.tunnel.end({ user: 'nobody' })).toEqual({ ended: 0, silent: [] }),
    );
  });
});

describeWith('redis-server')('redisShared: Redis Cluster of three nodes', () => {
  test.each(KINDS)(
    'with %s: the node with the keys is killed, and its copy goes on with the counts',
    async (kind) => {
      const { port, holder, copy } = await startLargeCluster();
      const [one, other] = await startSites([
        await clusterClient(kind, port),
        await clusterClient('ioredis', port),
      ]);
      const open = [await one.open('ann'), await other.open('ann')];
      holder.program.process.kill('SIGKILL');
      await until(async () => (await askRedis(copy.port).info()).includes('role:master'));
      await holds(async () => expect(await other.status('bob')).toBe(101));
      await holds(async () =>
        expect([await one.status('ann'), await other.status('ann')]).toEqual([429, 429]),
      );
      for (const client of open) await echoes(client);
      await holds(async () =>
        expect(await other.tunnel.end({ user: 'nobody' })).toEqual({ ended: 0, silent: [] }),
      );
      expect(await other.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    },
    60_000,
  );
});

async function startSentinel() {
  const main = await startRedis();
  const copy = await startRedis(undefined, '--replicaof', '127.0.0.1', String(main.port));
  const port = await closedPort();
  const file = join(tmpdir(), `wstunnel-sentinel-${port}.conf`);
  onCleanup(() => rmSync(file, { force: true }));
  writeFileSync(
    file,
    [
      `port ${port}`,
      'bind 127.0.0.1',
      `sentinel monitor main 127.0.0.1 ${main.port} 1`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 3000',
    ].join('\n'),
  );
  const sentinel = new Program('redis-server', [file, '--sentinel']);
  await sentinel.prints(/\+monitor/);
  const redis = askRedis(port);
  await until(async () =>
    String(await redis.call('SENTINEL', 'replicas', 'main')).includes(String(copy.port)),
  );
  await until(async () => (await askRedis(copy.port).info()).includes('master_link_status:up'));
  return { port, main, copy };
}

async function sentinelClient(kind: ClientKind, port: number): Promise<NodeRedisClient | IoRedisClient> {
  if (kind === 'ioredis') {
    const client = new Redis({ sentinels: [{ host: '127.0.0.1', port }], name: 'main' });
    onCleanup(() => client.disconnect());
    return client;
  }
  const client = createSentinel({
    name: 'main',
    sentinelRootNodes: [{ host: '127.0.0.1', port }],
    scanInterval: 500,
  });
  client.on('error', () => undefined);
  await client.connect();
  onCleanup(() => client.destroy());
  return client;
}

describeWith('redis-server')('redisShared: failover by a sentinel', () => {
  test.each(KINDS)(
    'with %s: tunnels stay open, counts are kept, and ends arrive over the new Redis',
    async (kind) => {
      const { port, main } = await startSentinel();
      const [one, other] = await startSites([
        await sentinelClient(kind, port),
        await sentinelClient('ioredis', port),
      ]);
      const held = [await one.open('ann'), await other.open('ann')];
      const before = performance.now();
      main.program.process.kill('SIGKILL');
      await until(() => !one.shared.up || performance.now() - before > 5000);
      await holds(async () => expect(await other.status('bob')).toBe(101));
      await until(() => one.shared.up && other.shared.up);
      await holds(async () =>
        expect([await one.status('ann'), await other.status('ann')]).toEqual([429, 429]),
      );
      for (const client of held) await echoes(client);
      await holds(async () =>
        expect(await other.tunnel.end({ user: 'nobody' })).toEqual({ ended: 0, silent: [] }),
      );
      expect(await other.tunnel.end({ user: 'ann' })).toEqual({ ended: 2, silent: [] });
    },
    60_000,
  );
});

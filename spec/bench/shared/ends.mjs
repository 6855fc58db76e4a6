// How long a call of `end()` takes until every replica has answered: three processes.
import console from 'node:console';
import { setTimeout as sleep } from 'node:timers/promises';
import { startRedis, untilFilled } from './redis.mjs';
import { openTunnels, quantile, startReplica } from './replicas.mjs';

/** Each user has a tunnel on each replica. `count`: users, and thereby ends. */
export async function ends({ count }) {
  const redis = await startRedis();
  const replicas = [];
  for (const client of ['ioredis', 'node-redis', 'ioredis'])
    replicas.push(
      await startReplica({
        redis: redis.port,
        client,
        replica: `r${replicas.length}`,
        limits: { perUser: 9 },
      }),
    );
  await untilFilled(redis);
  for (const replica of replicas) replica.close = await openTunnels(replica, count);
  const all = [];
  for (let number = 0; number < count; number++) {
    const { ended, silent, milliseconds } = await replicas[number % 3].ask('end', { user: `user-${number}` });
    if (ended !== 3 || silent.length > 0)
      throw new Error(`end() ended ${ended} of 3 tunnels; silent: ${silent.join(', ')}`);
    all.push(milliseconds);
    await sleep(2);
  }
  await sleep(200);
  const left = await Promise.all(replicas.map(({ ask }) => ask('usage')));
  for (const replica of replicas) {
    replica.close();
    await replica.stop();
  }
  await redis.stop();
  if (left.some(({ open }) => open > 0)) throw new Error('tunnels are open after their end');
  const at = (share) => quantile(all, share).toFixed(2);
  console.log(`${count} ends on 3 replicas, until all have answered:`);
  console.log(`  p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, slowest ${at(1)} ms`);
}

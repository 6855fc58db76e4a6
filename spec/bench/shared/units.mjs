// The costs of single calls, for a model of larger installations: CPU and memory in Redis, bytes on the wire, against INCR and DECR.
import console from 'node:console';
import { RedisBackplane } from '../../../dist/redis/redis-backplane.js';
import { readClient } from '../../../dist/redis/redis-client.js';
import { connectClient, costOf, startRedis, untilFilled } from './redis.mjs';

/** Calls under way at once. */
const AT_ONCE = 32;

async function repeat(count, act) {
  let next = 0;
  const some = async () => {
    while (next < count) await act(next++);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, some));
}

/** `count`: calls of each kind. `sizes`: numbers of replicas. */
export async function units({ count, sizes }) {
  const redis = await startRedis();
  const { client, stop } = await connectClient('ioredis', redis.port);
  const backplane = new RedisBackplane(readClient(client), {
    prefix: 'wstunnel:',
    ttl: 45,
    timeout: 5,
    names: 'hashed',
  });
  const measure = async (what, calls, act) => {
    await repeat(Math.ceil(calls / 4), act);
    const { cpu, bytesIn, bytesOut } = await costOf(redis, () => repeat(calls, act));
    const each = (value, digits = 0) => (value / calls).toFixed(digits);
    console.log(
      `  ${what}: Redis's CPU ${each(cpu * 1e6, 1)} µs, ${each(bytesIn)} bytes to Redis, ${each(bytesOut)} from it`,
    );
  };
  console.log(`costs of single calls, ${count} of each, ${AT_ONCE} at once:`);
  await measure('INCR', count, () => client.incr('plain'));
  let joined = 0;
  for (const size of sizes) {
    for (; joined < size; joined++) {
      const names = [{ name: 'total', count: 10_000 }];
      await backplane.join(`host-${String(joined).padStart(3, '0')}-4711-a1b2c3#1`, undefined, names);
    }
    await untilFilled(redis);
    const replica = 'host-000-4711-a1b2c3#1';
    const slotsOf = (number) => [
      { name: `client 10.0.${(number >> 8) & 255}.${number & 255}`, most: 1e9 },
      { name: `user user-${number & 65_535}`, most: 1e9 },
      { name: 'total', most: 1e9 },
    ];
    console.log(`  with ${size} replicas:`);
    await measure('  take (total)', count, () => backplane.take(replica, [{ name: 'total', most: 1e9 }]));
    await measure('  take (user)', count, (number) => backplane.take(replica, slotsOf(number).slice(1, 2)));
    await measure('  take (client, user, total)', count, (number) =>
      backplane.take(replica, slotsOf(number)),
    );
    await measure('  release (client, user, total)', count, (number) =>
      backplane.adjust(
        replica,
        slotsOf(number).map(({ name }) => ({ name, count: -1 })),
      ),
    );
    await measure('  heartbeat', Math.ceil(count / 10), () => backplane.beat(replica));
    await measure('  end in the store', Math.ceil(count / 10), () =>
      backplane.storeEnd(
        JSON.stringify({ where: { user: 'ann' }, code: 1008, reason: '', from: 'host-000-4711-a1b2c3' }),
      ),
    );
  }
  await memory(redis);
  stop();
  await redis.stop();
}

async function memory({ ask }) {
  const of = async (key) => `${await ask.memory('USAGE', key, 'SAMPLES', 0)} bytes`;
  const [user] = await ask.keys('wstunnel:{1}:slots:user*');
  console.log(`  memory: total's count ${await of('wstunnel:{1}:slots:total')}`);
  if (user) console.log(`  a user's count ${await of(user)}`);
  console.log(
    `  the replicas ${await of('wstunnel:{1}:replicas')}, the ends ${await of('wstunnel:{1}:ends')}`,
  );
}

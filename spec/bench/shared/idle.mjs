// What a replica with many idle tunnels asks of Redis, and what it costs to join again with all of its counts.
import console from 'node:console';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { costOf, startRedis, untilFilled, usage } from './redis.mjs';
import { openTunnels, startReplica } from './replicas.mjs';

const LIMITS = { total: 900_000, perClient: 5, perUser: 5 };

/** Each tunnel has a user and an address of its own, which no other tunnel has: as many counts as possible. */
export async function idle({ tunnels, seconds }) {
  const redis = await startRedis();
  const replica = await startReplica({ redis: redis.port, replica: 'one', limits: LIMITS, addresses: true });
  await untilFilled(redis);
  const empty = await usage(redis);
  const opening = await costOf(redis, async () => {
    replica.close = await openTunnels(replica, tunnels);
    await sleep(500);
  });
  const full = await usage(redis);
  const before = await replica.ask('usage');
  const cost = await costOf(redis, () => sleep(seconds * 1000));
  const after = await replica.ask('usage');
  const rejoin = await rejoined(redis, replica);
  replica.close();
  await replica.stop();
  await redis.stop();
  const each = (value) => (value / tunnels).toFixed(1);
  console.log(`${after.open} idle tunnels, ${seconds} s:`);
  console.log(
    `  ${(cost.sent / seconds).toFixed(3)} commands/s; with those within scripts ${(cost.all / seconds).toFixed(3)}/s`,
  );
  console.log(
    `  ${((cost.bytesIn + cost.bytesOut) / seconds).toFixed(0)} bytes/s; ${JSON.stringify(cost.calls)}`,
  );
  console.log(`  CPU of the process ${(((after.cpu - before.cpu) / seconds) * 100).toFixed(2)} % of a core`);
  console.log(
    `  memory in Redis ${each(full.memory - empty.memory)} bytes each (2 counts of its own, 1 in common)`,
  );
  console.log(
    `  opening: ${each(opening.sent)} commands, ${each(opening.bytesIn)} bytes to Redis and ${each(opening.bytesOut)} from it, Redis's CPU ${each(opening.cpu * 1e6)} µs`,
  );
  console.log(
    `  a join with all counts: ${rejoin.milliseconds.toFixed(0)} ms, ${rejoin.sent} commands, ${(rejoin.bytesIn / 1000).toFixed(0)} kB, Redis's CPU ${(rejoin.cpu * 1000).toFixed(0)} ms, the process's ${(rejoin.own * 1000).toFixed(0)} ms, memory afterwards ${each(rejoin.memory)} bytes each more`,
  );
}

/** The connection of messages breaks: messages may be lost, and the replica joins again under a new id. */
async function rejoined(redis, replica) {
  const id = async () => (await redis.ask.zrange('wstunnel:{1}:replicas', 0, -1)).join(' ');
  const first = await id();
  const before = await replica.ask('usage');
  let milliseconds;
  const cost = await costOf(redis, async () => {
    await redis.ask.client('KILL', 'TYPE', 'pubsub');
    const started = performance.now();
    while ((await id()) === first) await sleep(2);
    milliseconds = performance.now() - started;
    await sleep(300);
  });
  const after = await replica.ask('usage');
  return { ...cost, milliseconds, own: after.cpu - before.cpu };
}

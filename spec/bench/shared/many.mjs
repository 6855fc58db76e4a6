// Many replicas in one process: their heartbeats and messages, and how all of them come back after a failover.
import console from 'node:console';
import { performance } from 'node:perf_hooks';
import process from 'node:process';
import { clearInterval, setInterval } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { RedisBackplane } from '../../../dist/redis/redis-backplane.js';
import { readClient } from '../../../dist/redis/redis-client.js';
import { ReplicaGroup } from '../../../dist/replicas/replica-group.js';
import { connectClient, costOf, startRedis, untilFilled } from './redis.mjs';

const TTL = 45;

/** Each replica has a tunnel to each of the hosts, and a count of its own for each of `users` users. */
async function startOne(port, number, hosts, users) {
  const { client, stop } = await connectClient('ioredis', port);
  const name = `host-${String(number).padStart(3, '0')}-4711-a1b2c3`;
  const settings = { name, ttl: TTL, timeout: 5, whenDown: 'refuse' };
  const loads = Object.fromEntries(
    Array.from({ length: hosts }, (_, at) => [`10.1.${at >> 8}.${at & 255}:5900`, 10]),
  );
  const counts = Array.from({ length: users }, (_, at) => ({ name: `user ${number}-${at}`, count: 1 }));
  const backplane = new RedisBackplane(readClient(client), {
    prefix: 'wstunnel:',
    ttl: TTL,
    timeout: 5,
    names: 'hashed',
  });
  const one = new ReplicaGroup(backplane, settings, {
    counts: () => [{ name: 'total', count: users }, ...counts],
    hosts: () => ({ loads, down: {} }),
    end: () => 0,
    answer: () => undefined,
    changed: () => undefined,
    log: () => undefined,
  });
  void one.start();
  return {
    one,
    /** A tunnel more at one host: a message is due. */
    change: () => void loads[`10.1.0.0:5900`]++,
    async stop() {
      await one.close();
      stop();
    },
  };
}

/** `count`: replicas. `hosts`: hosts that each of them has tunnels to. `users`: counts of each replica. */
export async function many({ count, hosts, users, seconds }) {
  const redis = await startRedis();
  const all = [];
  const untilUp = async () => {
    while (!all.every(({ one }) => one.replica.isUp)) await sleep(20);
  };
  console.log(`${count} replicas in one process, each with tunnels to ${hosts} hosts, and ${users} counts:`);
  await report(redis, 'start of all', async () => {
    for (let number = 0; number < count; number++) all.push(await startOne(redis.port, number, hosts, users));
    await untilUp();
    await untilFilled(redis);
  });
  // Each sends a message in a third of its ttl.
  await report(redis, 'idle, each second', () => sleep(seconds * 1000), seconds);
  const changes = setInterval(() => all.forEach(({ change }) => change()), 1000);
  await report(redis, 'while loads change, each second', () => sleep(seconds * 1000), seconds);
  clearInterval(changes);
  const before = all.map(({ one }) => one.replica.generation);
  let milliseconds;
  await report(redis, 'connections of messages break, and all join again', async () => {
    await redis.ask.client('KILL', 'TYPE', 'pubsub');
    const begun = performance.now();
    while (all.some(({ one }, at) => one.replica.generation === before[at])) await sleep(5);
    await untilUp();
    milliseconds = performance.now() - begun;
    await sleep(2000);
  });
  console.log(`    all joined after ${milliseconds.toFixed(0)} ms`);
  await report(redis, 'the store is emptied, and all join again', async () => {
    await redis.ask.flushall();
    const begun = performance.now();
    await all[0].one.replica.join();
    await sleep(200);
    await untilUp();
    while (Number(await redis.ask.zcard('wstunnel:{1}:replicas')) < count) await sleep(20);
    milliseconds = performance.now() - begun;
    await untilFilled(redis);
  });
  console.log(`    all joined after ${milliseconds.toFixed(0)} ms`);
  await Promise.all(all.map(({ stop }) => stop()));
  await redis.stop();
}

async function report(redis, what, run, seconds = 1) {
  const before = process.cpuUsage();
  const { sent, all, calls, bytesIn, bytesOut, cpu } = await costOf(redis, run);
  const { user, system } = process.cpuUsage(before);
  const per = (value, digits = 0) => (value / seconds).toFixed(digits);
  console.log(
    `  ${what}: ${per(sent, 1)} commands (${per(calls.publish ?? 0, 1)} messages; ${per(all)} commands with those within scripts), ${per(bytesIn / 1000)} kB to Redis, ${per(bytesOut / 1000)} kB from it, CPU ${per(cpu * 1000, 1)} ms in Redis and ${per((user + system) / 1000, 1)} ms here`,
  );
}

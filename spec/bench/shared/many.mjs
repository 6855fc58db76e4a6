// Many replicas in one process: their heartbeats and messages, and how all of them come back after a failover.
import console from 'node:console';
import { performance } from 'node:perf_hooks';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect } from 'node:net';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { wstunnel } from '../../../dist/index.js';
import { redisShared } from '../../../dist/redis/index.js';
import { connectClient, costOf, startRedis, untilFilled } from './redis.mjs';
import { requestOf } from './replicas.mjs';

const TTL = 45;

export async function many({ count, hosts }) {
  void [connect, once, createServer, Duplex, wstunnel, requestOf, hosts];
  const redis = await startRedis();
  const states = [];
  const start = await costOf(redis, async () => {
    for (let number = 0; number < count; number++) {
      const { client, stop } = await connectClient('ioredis', redis.port);
      const replica = `host-${String(number).padStart(3, '0')}-4711-a1b2c3`;
      states.push({ shared: redisShared(client, { replica, ttl: TTL }), stop });
    }
    while (!states.every(({ shared }) => shared.up)) await sleep(20);
    await sleep(500);
  });
  await untilFilled(redis);
  console.log(`${count} replicas in one process:`);
  report('start of all', start);
  report(`idle, each second`, await costOf(redis, () => sleep((TTL / 3) * 1000)), TTL / 3);
  const ids = async () => (await redis.ask.zrange('wstunnel:{1}:replicas', 0, -1)).join(' ');
  let milliseconds;
  const failover = await costOf(redis, async () => {
    await redis.ask.client('KILL', 'TYPE', 'pubsub');
    const begun = performance.now();
    while ((await ids()).includes('#1 ') || (await ids()).endsWith('#1')) await sleep(5);
    milliseconds = performance.now() - begun;
    await sleep(2000);
  });
  report(`all connections of messages break, all join again (${milliseconds.toFixed(0)} ms)`, failover);
  for (const { shared, stop } of states) {
    await shared.close();
    stop();
  }
  await redis.stop();
}

function report(what, { sent, all, calls, bytesIn, bytesOut, cpu }, seconds = 1) {
  const per = (value, digits = 0) => (value / seconds).toFixed(digits);
  console.log(
    `  ${what}: ${per(sent, 1)} commands (${per(all)} with those within scripts, ${per(calls.publish ?? 0, 1)} messages), ${per(bytesIn)} bytes to Redis, ${per(bytesOut)} from it, Redis's CPU ${per(cpu * 1000, 1)} ms`,
  );
}

// A Redis server of the bench, and what it counts: commands, bytes, CPU.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { folder, freePort, LOAD_CORE } from '../system.mjs';

/** On the core of the load: the relay has a core of its own. */
export async function startRedis(core = LOAD_CORE) {
  const port = await freePort();
  const dir = mkdtempSync(join(folder, 'redis-'));
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const args = ['-c', String(core), 'redis-server', ...settings, '--dir', dir];
  const child = spawn('taskset', args, { stdio: 'ignore' });
  const ask = new Redis(port, '127.0.0.1', { retryStrategy: () => 50, maxRetriesPerRequest: 200 });
  ask.on('error', () => undefined);
  await ask.ping();
  return {
    port,
    ask,
    async stop() {
      ask.disconnect();
      const ended = once(child, 'exit');
      child.kill();
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** A connected client of either package, and its end. */
export async function connectClient(kind, port) {
  if (kind === 'ioredis') {
    const client = new Redis(port, '127.0.0.1');
    return { client, stop: () => client.disconnect() };
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  await client.connect();
  return { client, stop: () => client.destroy() };
}

/** Resolves when a new store gives slots: until then, replicas write their counts. */
export async function untilFilled({ ask }) {
  while ((await ask.exists('wstunnel:{1}:epoch')) === 0) await sleep(20);
  while ((await ask.exists('wstunnel:{1}:filling')) === 1) await sleep(20);
}

/** Commands that run within the scripts, or that ask for these figures. */
const OWN = new Set(['info', 'ping', 'client', 'select', 'config', 'memory', 'exists', 'evalsha_ro']);

/** The present figures of Redis. `calls`: by command, those within a script too. */
export async function usage({ ask }) {
  const text = await ask.info('all');
  const number = (name) => Number(new RegExp(`^${name}:([\\d.]+)`, 'm').exec(text)?.[1]);
  const calls = {};
  for (const [, name, count] of text.matchAll(/^cmdstat_([^:]+):calls=(\d+)/gm))
    if (!OWN.has(name)) calls[name] = Number(count);
  return {
    calls,
    bytesIn: number('total_net_input_bytes'),
    bytesOut: number('total_net_output_bytes'),
    cpu: number('used_cpu_user') + number('used_cpu_sys'),
    memory: number('used_memory'),
  };
}

/** The commands that clients send; the others run within scripts. */
const SENT = ['evalsha', 'eval', 'publish', 'xrange', 'subscribe', 'incr', 'decr'];

/** What `run` has cost Redis. `sent`: commands of clients. `calls`: all commands, by name. */
export async function costOf(redis, run) {
  const before = await usage(redis);
  await run();
  const after = await usage(redis);
  const calls = {};
  for (const [name, count] of Object.entries(after.calls)) {
    const more = count - (before.calls[name] ?? 0);
    if (more > 0) calls[name] = more;
  }
  const sum = (names) => names.reduce((all, name) => all + (calls[name] ?? 0), 0);
  return {
    calls,
    sent: sum(SENT),
    all: sum(Object.keys(calls)),
    bytesIn: after.bytesIn - before.bytesIn,
    bytesOut: after.bytesOut - before.bytesOut,
    cpu: after.cpu - before.cpu,
    memory: after.memory - before.memory,
  };
}

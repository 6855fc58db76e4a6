// The other programs: a Redis on a separate port, the built command with two workers; and the kernel's figures of a process.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import process from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

/** A Redis without files: a restart loses its data. */
export async function startRedis(folder) {
  const port = await freePort();
  mkdirSync(join(folder, 'redis'));
  const args = ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no'];
  const ask = new Redis(port, '127.0.0.1', { retryStrategy: () => 100, maxRetriesPerRequest: 1 });
  ask.on('error', () => undefined);
  let child;
  const start = async () => {
    child = spawn('redis-server', [...args, '--dir', join(folder, 'redis')], { stdio: 'ignore' });
    for (let left = 600; left > 0; left--) {
      if ((await ask.ping().catch(() => undefined)) === 'PONG') return;
      await sleep(100);
    }
    throw new Error('Redis does not start');
  };
  await start();
  process.on('exit', () => child.kill('SIGKILL'));
  return {
    port,
    ask,
    async restart(signal, downMs) {
      const ended = once(child, 'exit');
      child.kill(signal);
      await ended;
      await sleep(downMs);
      await start();
    },
    /** Slots in use by name, as Redis counts them for live processes. */
    async slots() {
      const [now] = await ask.time();
      const ids = await ask.zrangebyscore('wstunnel:{1}:replicas', `(${Number(now) * 1000}`, '+inf');
      const used = {};
      for (const key of await ask.keys('wstunnel:{1}:slots:*')) {
        const counts = await ask.hgetall(key);
        const sum = ids.reduce((all, id) => all + Number(counts[id] ?? 0), 0);
        if (sum !== 0) used[key] = sum;
      }
      return { processes: ids.filter((id) => id !== '#').length, used };
    },
    /** Number of connections without this one. */
    async connections() {
      return Number(/connected_clients:(\d+)/.exec(await ask.info('clients'))[1]) - 1;
    },
    async stop() {
      ask.disconnect();
      const ended = once(child, 'exit');
      child.kill();
      await ended;
    },
  };
}

/** The built command with two workers and a configuration file; `hangUp()` reloads. */
export async function startCommand(dist, folder, backend) {
  const config = join(folder, 'command.json');
  writeFileSync(config, JSON.stringify({ listen: '127.0.0.1:0', server: `127.0.0.1:${backend}` }));
  const child = spawn(
    process.execPath,
    [join(dist, 'cli.js'), '--config', config, '--workers', '2', '--log', join(folder, 'command.log')],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  process.on('exit', () => child.kill('SIGTERM'));
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => (output = (output + String(chunk)).slice(-5000)));
  const prints = async (pattern) => {
    for (let left = 1200; left > 0; left--) {
      const match = pattern.exec(output);
      if (match) return match;
      if (child.exitCode !== null) break;
      await sleep(50);
    }
    throw new Error(`the command printed only: ${output}`);
  };
  const [, port] = await prints(/listening on \S*?:(\d+)/);
  return {
    port: Number(port),
    pid: child.pid,
    output: () => output,
    async hangUp() {
      output = '';
      child.kill('SIGHUP');
      await prints(/settings were reloaded/);
    },
    async stop() {
      const ended = once(child, 'exit');
      child.kill('SIGTERM');
      const late = setTimeout(() => child.kill('SIGKILL'), 20_000);
      const [code, signal] = await ended;
      clearTimeout(late);
      return signal ?? code;
    },
  };
}

/** Resident bytes and open descriptors of a process and its children. */
export function familyOf(pid) {
  const pids = [pid, ...childrenOf(pid)];
  const sum = (measure) => pids.reduce((all, one) => all + measure(one), 0);
  return {
    processes: pids.length,
    rss: sum((one) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${one}/status`, 'utf8'))[1]) * 1024),
    descriptors: sum((one) => readdirSync(`/proc/${one}/fd`).length),
    cpu: sum(cpuOf),
  };
}

function childrenOf(pid) {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
}

/** Seconds of CPU (the kernel counts in hundredths). */
function cpuOf(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

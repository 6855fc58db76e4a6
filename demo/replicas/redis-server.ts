import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { UsageError } from '../arguments.js';
import { listen } from '../listen.js';

export interface RedisServer {
  readonly port: number;
  readonly password: string;
  readonly process: ChildProcess;
  close(): Promise<void>;
}

/** Milliseconds for Redis to start, and to end. */
const TIME = 10_000;

/** Another program may take the free port before Redis does. */
const TRIES = 3;

/** A Redis on a free port of loopback, with a random password and without files. */
export async function startRedisServer(): Promise<RedisServer> {
  for (let left = TRIES - 1; ; left--) {
    const { server, output } = await start();
    if (server) return server;
    if (left === 0 || !output.includes('in use'))
      throw new UsageError(`redis-server did not start:\n${output}`);
  }
}

async function start(): Promise<{ server?: RedisServer; output: string }> {
  const port = await freePort();
  const password = randomBytes(24).toString('hex');
  // Another process group: Ctrl-C in the terminal must not end Redis before the replicas have used it for the last time.
  const child = spawn('redis-server', ['-'], { detached: true, stdio: ['pipe', 'pipe', 'pipe'] });
  // For an exit without close().
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.once('exit', () => process.off('exit', kill));
  const failed = once(child, 'exit').catch(() => undefined);
  // The list of processes shows arguments to all users, but not this text.
  child.stdin.end(`bind 127.0.0.1\nport ${port}\nrequirepass ${password}\nsave ""\nappendonly no\n`);
  child.stdin.on('error', () => undefined);
  let output = '';
  const ready = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      resolve(false);
    }, TIME);
    const settle = (isReady: boolean) => {
      clearTimeout(timer);
      resolve(isReady);
    };
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => {
        if (/ready to accept connections/i.test((output = (output + chunk.toString()).slice(-4096))))
          settle(true);
      });
    void failed.then(() => settle(false));
  });
  if (!(await ready)) return { output };
  return { server: { port, password, process: child, close: () => end(child) }, output };
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME);
  child.kill('SIGTERM');
  await exited;
  clearTimeout(timer);
}

async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server, { host: '127.0.0.1', port: 0 });
  const closed = once(server, 'close');
  server.close();
  await closed;
  return port;
}

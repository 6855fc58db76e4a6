import { fork, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Carried } from '../desktop/scene/traffic.js';
import type { Place } from '../listen.js';
import { startBalancer } from './balancer.js';
import type { Order, ReplicaSettings, Report } from './messages.js';
import { startRedisServer, type RedisServer } from './redis-server.js';

export interface ReplicasOptions extends Place, Omit<ReplicaSettings, 'name' | 'secret' | 'redis' | 'host'> {
  readonly count: number;
  /** Prints a line for people. */
  readonly say: (line: string) => void;
  /** Called when no replica is left. */
  readonly failed: () => void;
}

export interface Replicas {
  /** The port of the balancer. */
  readonly port: number;
  readonly processes: readonly { readonly port: number; readonly pid: number | undefined }[];
  readonly redis: RedisServer;
  /** The bytes of all replicas. */
  carried(): Carried;
  close(): Promise<void>;
}

interface Replica {
  readonly name: string;
  readonly process: ChildProcess;
  readonly port: number;
  carried: Carried;
}

/** Milliseconds for a replica to start, and to end. */
const TIME = 10_000;

const SIGNALS = ['SIGINT', 'SIGTERM'] as const;

/** Several processes of the demo on free ports, a Redis for their sessions and their state, and a balancer in front. */
export async function startReplicas(options: ReplicasOptions): Promise<Replicas> {
  const { count, say, failed, host, port, tries = 1, ...settings } = options;
  // Ctrl-C before the end of the start. The exit ends Redis, and a replica ends with its channel.
  const abort = () => process.exit(1);
  for (const signal of SIGNALS) process.once(signal, abort);
  const redis = await startRedisServer();
  const replicas: Replica[] = [];
  let isClosing = false;
  redis.process.once('exit', () => {
    if (!isClosing) say('Redis has ended: nobody can log in or out until the demo is started again');
  });
  const close = async () => {
    isClosing = true;
    await Promise.all(replicas.map((replica) => end(replica.process)));
    await redis.close();
  };
  const isAlive = (replica: Replica) =>
    replica.process.exitCode === null && replica.process.signalCode === null;

  try {
    const secret = randomBytes(32).toString('hex');
    for (let number = 1; number <= count; number++) {
      const name = `replica ${number}`;
      const replica = await startReplica({ ...settings, name, host, secret, redis: passwordOf(redis) }, say);
      replicas.push(replica);
      replica.process.once('exit', () => {
        if (isClosing) return;
        say(`${name} has ended`);
        if (!replicas.some(isAlive)) failed();
      });
    }
    const balancer = await startBalancer({ host, port, tries }, () =>
      replicas.filter(isAlive).map((one) => one.port),
    );
    return {
      port: balancer.port,
      processes: replicas.map((one) => ({ port: one.port, pid: one.process.pid })),
      redis,
      carried: () => ({
        bytesIn: replicas.reduce((sum, { carried }) => sum + carried.bytesIn, 0),
        bytesOut: replicas.reduce((sum, { carried }) => sum + carried.bytesOut, 0),
      }),
      close: async () => {
        isClosing = true;
        // The replicas first, so that pages get their Close.
        await close();
        await balancer.close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  } finally {
    for (const signal of SIGNALS) process.off(signal, abort);
  }
}

const passwordOf = ({ port, password }: RedisServer) => ({ port, password });

async function startReplica(settings: ReplicaSettings, say: (line: string) => void): Promise<Replica> {
  const { name } = settings;
  const child = fork(join(import.meta.dirname, 'replica.js'));
  const order: Order = { start: settings };
  const replica = { name, process: child, port: 0, carried: { bytesIn: 0, bytesOut: 0 } };
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => fail(`${name} did not start in time`), TIME);
    const fail = (reason: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(reason));
    };
    const exited = () => fail(`${name} did not start`);
    child.once('exit', exited);
    // Also a message to a process that has just ended.
    child.on('error', ({ message }) => fail(`${name}: ${message}`));
    child.on('message', (report: Report) => {
      if ('line' in report) say(`${name}: ${report.line}`);
      else if ('carried' in report) replica.carried = report.carried;
      else {
        replica.port = report.port;
        clearTimeout(timer);
        child.off('exit', exited);
        resolve();
      }
    });
    child.send(order);
  });
  return replica;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const order: Order = { end: true };
  const exited = once(child, 'exit');
  const timer = setTimeout(() => child.kill('SIGKILL'), TIME);
  if (child.connected) child.send(order);
  await exited;
  clearTimeout(timer);
}

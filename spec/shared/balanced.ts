import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TunnelOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { Program } from '../support/programs.js';
import { requestTunnel, type RawClient } from '../support/raw-client.js';
import { startRedis, type ClientKind } from '../support/redis.js';
import { accepts, closedPort, startEcho } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';
import { filled } from './replica-sites.js';

/** A process of the app in three-replicas.mjs. */
export interface Replica {
  readonly name: string;
  readonly port: number;
  readonly program: Program;
}

/** A client's answer through the balancer. */
export interface Answer {
  readonly status: number;
  /** The name of the replica that answered. */
  readonly replica: string;
  readonly client: RawClient;
}

export interface Balanced {
  /** The port of HAProxy. */
  readonly port: number;
  readonly replicas: readonly Replica[];
  /** Requests a tunnel through HAProxy. */
  request(user?: string): Promise<Answer>;
}

/** Seconds without a heartbeat after which the slots of a replica are free: short for a test, long for a busy machine. */
const TTL = 6;

const KINDS: readonly ClientKind[] = ['node-redis', 'ioredis', 'node-redis'];

/** Three processes with one Redis, behind a HAProxy that gives each request to the next of them. */
export async function startBalanced(limits: TunnelOptions['limits'], grace = 0): Promise<Balanced> {
  const { port: redis } = await startRedis();
  const { port: backend } = await startEcho();
  const replicas = await Promise.all(
    KINDS.map(async (kind, index): Promise<Replica> => {
      const name = `replica-${index + 1}`;
      const settings = JSON.stringify({ name, kind, redis, backend, ttl: TTL, limits, grace });
      const script = join(import.meta.dirname, 'three-replicas.mjs');
      const program = new Program(process.execPath, [script, settings]);
      const [, port] = await program.prints(/port (\d+)\n/);
      return { name, port: Number(port), program };
    }),
  );
  await filled(redis);
  const port = await startHaproxy(replicas);
  await until(async () => {
    await sleep(20);
    return (await Promise.all(replicas.map((one) => isHealthy(one)))).every(Boolean);
  });
  return { port, replicas, request: (user) => request(port, user) };
}

async function request(port: number, user: string | undefined): Promise<Answer> {
  const client = requestTunnel(port, '/tunnel', { 'X-User': user });
  const { status, headers } = await client.answer();
  if (status !== 101) client.socket.destroy();
  return { status, replica: headers['x-replica'] ?? '', client };
}

const isHealthy = async ({ port }: Replica) => (await fetch(`http://127.0.0.1:${port}/health`)).ok;

/** HAProxy with health checks. A request that a replica does not answer, or answers with 503, goes to another replica. */
async function startHaproxy(replicas: readonly Replica[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-haproxy-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  const port = await closedPort();
  const lines = [
    'defaults',
    '  mode http',
    '  retries 3',
    '  option redispatch 1',
    '  retry-on conn-failure empty-response 503',
    '  timeout connect 2s',
    '  timeout client 60s',
    '  timeout server 60s',
    '  timeout tunnel 1h',
    'frontend web',
    `  bind 127.0.0.1:${port}`,
    '  http-response set-header x-replica %s',
    '  default_backend app',
    'backend app',
    '  balance roundrobin',
    '  option httpchk GET /health',
    ...replicas.map(({ name, port: target }) => `  server ${name} 127.0.0.1:${target} check inter 200ms`),
    '',
  ];
  const file = join(folder, 'haproxy.cfg');
  await writeFile(file, lines.join('\n'));
  const program = new Program('haproxy', ['-db', '-q', '-f', file]);
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`haproxy ended: ${program.output}`);
    return accepts({ port });
  });
  return port;
}

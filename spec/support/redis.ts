import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import type { IoRedisClient, NodeRedisClient } from '../../src/redis/index.js';
import { onCleanup } from './cleanup.js';
import { closedPort } from './closed-port.js';
import { Program } from './programs.js';

/** A Redis server on loopback, without files, until the test ends. */
export interface RedisServer {
  readonly port: number;
  readonly program: Program;
}

/** `port`: to start a server anew at the same place. */
export async function startRedis(port?: number, ...args: string[]): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-redis-'));
  onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  const at = port ?? (await closedPort());
  const program = new Program('redis-server', [
    ...['--port', String(at), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', folder],
    ...args,
  ]);
  await program.prints(/Ready to accept connections/);
  return { port: at, program };
}

export type ClientKind = 'node-redis' | 'ioredis';

/**
 * A connected client of either package, closed after the test. Like an app's client, it has a listener for errors: after `close()` of a
 * shared state, an error without a listener would end the process, or the tries of node-redis to connect again.
 */
export async function redisClient(kind: ClientKind, port: number): Promise<NodeRedisClient | IoRedisClient> {
  if (kind === 'ioredis') {
    const client = new Redis(port, '127.0.0.1');
    client.on('error', () => undefined);
    onCleanup(() => client.disconnect());
    // While connecting, the client has listeners of its own.
    await once(client, 'ready');
    return client;
  }
  const client = createClient({ url: `redis://127.0.0.1:${port}` });
  client.on('error', () => undefined);
  await client.connect();
  onCleanup(() => client.destroy());
  return client;
}

/** A client for the test's own questions. */
export function askRedis(port: number): Redis {
  const client = new Redis(port, '127.0.0.1');
  client.on('error', () => undefined);
  onCleanup(() => client.disconnect());
  return client;
}

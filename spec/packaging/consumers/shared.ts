// An ES module or, by the extension, a CommonJS module. Compiled with the types of both clients; run without their packages.
import { clusterShared, type ClusterOptions } from 'express-wstunnel/cluster';
import {
  redisShared,
  type IoRedisClient,
  type NodeRedisClient,
  type RedisOptions,
} from 'express-wstunnel/redis';
import { jwtTokens, tokenServer, type TokenSource } from 'express-wstunnel/tokens';
import { TunnelError, wstunnel, type SharedInfo, type SharedState } from 'express-wstunnel';
import type { Redis } from 'ioredis';
import type { createClient } from 'redis';

export const fits = (
  one: Redis,
  two: ReturnType<typeof createClient>,
): (IoRedisClient | NodeRedisClient)[] => [one, two];

const redisOptions: RedisOptions = { ttl: 30, whenDown: 'refuse' };
let code = '';
try {
  redisShared({} as unknown as Redis, redisOptions);
} catch (error) {
  if (error instanceof TunnelError) code = error.code;
}

export const source: TokenSource = (token) => (token === 'a' ? { target: { port: 1 } } : undefined);
export const jwt = () => jwtTokens({ key: new Uint8Array(32), algorithms: ['HS256'], audience: false });
export const byToken = wstunnel({ server: tokenServer(source, { from: 'cookie' }) });

const options: ClusterOptions = { ttl: 10 };
const shared: SharedState = clusterShared(options);
const tunnel = wstunnel({ server: { port: 1 }, limits: { perUser: 1 }, shared });
tunnel.on('shared', ({ up }: SharedInfo) => {
  console.log(code, up);
  void tunnel.close().then(() => shared.close());
});

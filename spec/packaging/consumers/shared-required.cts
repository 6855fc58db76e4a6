// `import =`, with the types as members.
import cluster = require('express-wstunnel/cluster');
import redis = require('express-wstunnel/redis');
import tokens = require('express-wstunnel/tokens');
import wstunnel = require('express-wstunnel');

const source: tokens.TokenSource = () => undefined;
export const server: tokens.TokenServer = tokens.tokenServer(source);

const options: cluster.ClusterOptions = { ttl: 10 };
const redisOptions: redis.RedisOptions = { prefix: 'app:' };
const shared: wstunnel.SharedState = cluster.clusterShared(options);
const tunnel = wstunnel({ server: { port: 1 }, shared });
tunnel.on('shared', ({ up }: wstunnel.SharedInfo) => {
  try {
    redis.redisShared({} as unknown as redis.IoRedisClient, redisOptions);
  } catch (error) {
    console.log((error as wstunnel.TunnelError).code, up);
  }
  void tunnel.close().then(() => shared.close());
});

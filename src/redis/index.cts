import type * as clients from './redis-client.js';
import type * as options from './redis-options.js';
import type * as types from '../types.js';
import type * as rediss from './index.js';
import required = require('./index.js');

// `require('express-wstunnel/redis')`, with the types as members of the object.
const redis: {
  redisShared: typeof rediss.redisShared;
} = required;

declare namespace redis {
  export type IoRedisClient = clients.IoRedisClient;
  export type NodeRedisClient = clients.NodeRedisClient;
  export type RedisOptions = options.RedisOptions;
  export type SharedState = types.SharedState;
}

export = redis;

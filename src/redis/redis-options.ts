import { checkText, oneOf, seconds } from '../options/checks/basic.js';
import { checkNames } from '../options/checks/names.js';
import { fail } from '../options/checks/fail.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { newReplicaName, type ReplicaSettings } from '../replicas/replica-settings.js';

/** The options of `redisShared()`. */
export interface RedisOptions {
  /** The first part of all keys and channels. Apps with the same prefix share their limits. Default `wstunnel:`. */
  prefix?: string;
  /**
   * The name of this process in `silent`, in logs and in Redis, different for each process. Default: host name, process id and
   * random letters.
   */
  replica?: string;
  /** Seconds without a heartbeat after which the slots of a process are free. Default 45. */
  ttl?: number;
  /** Seconds for Redis to answer, at most a third of `ttl`. Default 1. */
  timeout?: number;
  /**
   * While Redis does not answer: with `'local'` (default) each process counts only its own tunnels, with `'refuse'` new tunnels are
   * refused with 503.
   */
  whenDown?: 'local' | 'refuse';
  /** Users' names, clients' addresses and host names in the keys of Redis. Default `'hashed'`. */
  names?: 'hashed' | 'plain';
}

/** Defaults, in seconds. */
const TTL = 45;
const TIMEOUT = 1;

interface RedisSettings extends ReplicaSettings {
  readonly prefix: string;
  readonly names: 'hashed' | 'plain';
}

/** The checks of the options. */
export const REDIS_CHECKS = {
  prefix: checkWord,
  replica: checkWord,
  ttl: seconds(1, 3600),
  timeout: seconds(0.05, 30),
  whenDown: oneOf(['local', 'refuse']),
  names: oneOf(['hashed', 'plain']),
};

export function readRedisOptions(options: RedisOptions): RedisSettings {
  checkNames(options, 'redisShared()', REDIS_CHECKS);
  const {
    prefix = 'wstunnel:',
    replica = newReplicaName(),
    ttl = TTL,
    timeout = TIMEOUT,
    whenDown = 'local',
    names = 'hashed',
  } = options;
  requireShortTimeout(options, 'timeout');
  return { name: replica, prefix, ttl, timeout, whenDown, names };
}

/** Three heartbeats fit into `ttl`: each must have its answer, or fail, before the next one. */
export function requireShortTimeout(
  {
    ttl = TTL,
    timeout = TIMEOUT,
  }: { readonly ttl?: number | undefined; readonly timeout?: number | undefined },
  name: OptionRef,
): void {
  if (timeout * 3 > ttl) fail(name, `must be at most a third of the ${ttl} seconds of ttl`, timeout);
}

function checkWord(value: unknown, name: OptionRef): void {
  checkText(value, name);
  if (typeof value === 'string' && /[\s{}#]/.test(value))
    fail(name, 'must not contain spaces, braces or "#"', value);
}

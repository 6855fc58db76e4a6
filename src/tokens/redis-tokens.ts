import { messageOf, TunnelError } from '../errors.js';
import { checkBoolean, checkString, seconds } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { answerWithin } from './deadline.js';
import { EntryFault, MAX_ENTRY_LENGTH, readEntry } from './entry.js';
import { sourceFailure } from './refusals.js';
import { withTraits, type TokenSource } from './token-types.js';

/** The part of node-redis's clients (package `redis`) that is used. */
export interface NodeRedisTokenClient {
  get(key: string): Promise<unknown>;
  getDel(key: string): Promise<unknown>;
}

/** The part of ioredis's clients that is used. */
export interface IoRedisTokenClient {
  get(key: string): Promise<unknown>;
  getdel(key: string): Promise<unknown>;
}

/** The options of `redisTokens()`. */
export interface RedisTokensOptions {
  /** The prefix of all keys, such as `vnc:`. `''` is for entries of websockify without a namespace. */
  prefix: string;
  /** A token opens one tunnel: its entry is removed when the token is looked up (GETDEL, Redis 6.2). Default false. */
  once?: boolean;
  /** Seconds for Redis to answer. Default 2. */
  timeout?: number;
}

const TIMEOUT = 2;
const CHECKS = { prefix: checkString, once: checkBoolean, timeout: seconds(0.05, 30) };

/**
 * websockify's TokenRedis: entries `{"host": "host:port"}` or `host:port`. The client is the app's own, of the package `redis` or
 * `ioredis`; the app connects and closes it.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option or another kind of client.
 */
export function redisTokens(
  client: NodeRedisTokenClient | IoRedisTokenClient,
  options: RedisTokensOptions,
): TokenSource {
  checkNames(options, 'redisTokens()', CHECKS);
  const { prefix, once = false, timeout = TIMEOUT } = options;
  if ((prefix as string | undefined) === undefined)
    fail('redisTokens().prefix', 'is required, such as "vnc:" ("" reads keys without a prefix)', prefix);
  if (once && prefix === '')
    fail(
      'redisTokens().prefix',
      'must not be empty with once: a token could remove any key of the database',
      prefix,
    );
  const { get, take } = readTokenClient(client);
  const lookUp = async (token: string, signal: AbortSignal, ask: (key: string) => Promise<unknown>) => {
    const value = await answerWithin(timeout, signal, 'Redis', () => ask(prefix + token)).catch(
      (error: unknown) => {
        throw signal.aborted || error instanceof TunnelError ? error : failureOf(error);
      },
    );
    if (value === null || value === undefined) return undefined;
    // A client with a type mapping returns bytes.
    const text = Buffer.isBuffer(value) ? value.toString() : value;
    if (typeof text !== 'string' || text.length > MAX_ENTRY_LENGTH)
      throw sourceFailure('wrong', 'an entry in Redis is not a text, or is too long');
    try {
      return readEntry(text);
    } catch (error) {
      if (error instanceof EntryFault)
        throw sourceFailure('wrong', `an entry in Redis is invalid: ${error.message}`);
      throw error;
    }
  };
  return withTraits((token, { signal }) => lookUp(token, signal, once ? take : get), {
    needsTargets: true,
    recheck: async (token, { signal }) => {
      // The look-up for the opening has removed the entry.
      if (once) return true;
      return (await lookUp(token, signal, get)) !== undefined;
    },
  });
}

/** An error of a client may contain the command, and so the token: the cause is left out. */
function failureOf(error: unknown): TunnelError {
  const { code = '' } = (error ?? {}) as NodeJS.ErrnoException;
  const [word = ''] = /^[A-Z]{2,}\b/.exec(messageOf(error)) ?? [];
  return sourceFailure(
    // The key has a list, a hash or the like.
    word === 'WRONGTYPE' ? 'wrong' : 'down',
    `Redis fails: ${code || word || 'the connection is closed, or the command failed'}`,
  );
}

interface TokenClient {
  readonly get: (key: string) => Promise<unknown>;
  /** Get and remove. */
  readonly take: (key: string) => Promise<unknown>;
}

function readTokenClient(client: unknown): TokenClient {
  const { get, getDel, getdel } = (client ?? {}) as Partial<Record<string, unknown>>;
  if (typeof get === 'function' && typeof getDel === 'function') {
    const node = client as NodeRedisTokenClient;
    return { get: (key) => node.get(key), take: (key) => node.getDel(key) };
  }
  if (typeof get === 'function' && typeof getdel === 'function') {
    const io = client as IoRedisTokenClient;
    return { get: (key) => io.get(key), take: (key) => io.getdel(key) };
  }
  return fail(
    'redisTokens()',
    'needs a client of the package redis (createClient) or ioredis (new Redis)',
    client,
  );
}

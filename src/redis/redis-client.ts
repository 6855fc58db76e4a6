import { fail } from '../options/checks/fail.js';
import type { Script } from './scripts.js';

/** The part of node-redis's clients (package `redis`) that is used: a client, a cluster or a sentinel. */
export interface NodeRedisClient {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  xRange(key: string, start: string, end: string, options: { COUNT: number }): Promise<unknown>;
  subscribe(channels: string[], listener: (message: unknown) => void): Promise<unknown>;
  unsubscribe(channels: string[], listener: (message: unknown) => void): Promise<unknown>;
  duplicate?(): unknown;
  connect(): Promise<unknown>;
  destroy(): unknown;
  on(event: string, listener: () => void): unknown;
  off(event: string, listener: () => void): unknown;
}

/** The part of ioredis's clients that is used: a `Redis` or a `Cluster`. */
export interface IoRedisClient {
  evalsha(sha: string, count: number, ...args: string[]): Promise<unknown>;
  eval(script: string, count: number, ...args: string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  xrange(key: string, start: string, end: string, count: 'COUNT', most: number): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  duplicate(...args: unknown[]): unknown;
  ping(): Promise<unknown>;
  disconnect(): unknown;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** Messages of channels. */
export interface Subscription {
  /** Resolves when no message is lost from now on. */
  readonly ready: Promise<void>;
  stop(): void;
}

/** A client of Redis, whatever its package. */
export interface RedisClient {
  run(script: Script, keys: string[], args: string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<void>;
  /** The entries of a stream after an id, at most so many: id and fields. */
  entriesAfter(
    key: string,
    id: string,
    most: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]>;
  /** Subscribes on a connection of its own. `interrupted`: the connection was lost and is back. */
  subscribe(channels: string[], message: (text: string) => void, interrupted: () => void): Subscription;
  /** Removes the listeners from the app's client, which stays open. */
  free(): void;
}

/** Takes the client of either package, told apart by their methods. */
export function readClient(client: unknown): RedisClient {
  if (has(client, 'evalSha', 'publish', 'subscribe', 'xRange'))
    return new NodeRedis(client as unknown as NodeRedisClient);
  if (has(client, 'evalsha', 'publish', 'subscribe', 'xrange', 'duplicate'))
    return new IoRedis(client as unknown as IoRedisClient);
  return fail(
    'client',
    'must be a client of the package redis (createClient) or ioredis (new Redis)',
    client,
  );
}

function has(client: unknown, ...methods: string[]): client is object {
  return (
    typeof client === 'object' &&
    client !== null &&
    methods.every((method) => typeof (client as Record<string, unknown>)[method] === 'function')
  );
}

// A client without an `error` listener ends the process when Redis goes down.
const ignore = () => undefined;

/** Events after which messages may have been lost: of a client, a sentinel, and a cluster. */
const NODE_REDIS_BACK = ['ready', 'topology-change', 'node-ready'];
const IOREDIS_BACK = ['ready', '+node'];

class NodeRedis implements RedisClient {
  readonly #client: NodeRedisClient;

  constructor(client: NodeRedisClient) {
    this.#client = client;
    client.on('error', ignore);
  }

  run({ sha, text }: Script, keys: string[], args: string[]): Promise<unknown> {
    const options = { keys, arguments: args };
    return orWhole(
      () => this.#client.evalSha(sha, options),
      () => this.#client.eval(text, options),
    );
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#client.publish(channel, message);
  }

  async entriesAfter(
    key: string,
    id: string,
    most: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]> {
    const entries = (await this.#client.xRange(key, `(${id}`, '+', { COUNT: most })) as {
      id: string;
      message: Record<string, string>;
    }[];
    return entries.map((entry) => ({ id: entry.id, fields: entry.message }));
  }

  subscribe(channels: string[], message: (text: string) => void, interrupted: () => void): Subscription {
    // A cluster and a sentinel have connections of their own for messages.
    const isPlain = has(this.#client, 'duplicate', 'select');
    const subscriber = isPlain ? (this.#client.duplicate?.() as NodeRedisClient) : this.#client;
    let isStopped = false;
    const isOver = () => isStopped;
    const onMessage = (text: unknown) => message(String(text));
    const onBack = () => interrupted();
    const begin = async () => {
      if (isPlain) await subscriber.connect();
      if (isOver()) {
        // While it connected, destroy() had no effect.
        if (isPlain) void attempt(() => subscriber.destroy());
        throw new Error('the shared state is closed');
      }
      await subscriber.subscribe(channels, onMessage);
      if (isOver()) {
        // stop() may have been too early for a subscription on the app's client.
        if (!isPlain) void attempt(() => subscriber.unsubscribe(channels, onMessage));
        throw new Error('the shared state is closed');
      }
      for (const event of NODE_REDIS_BACK) subscriber.on(event, onBack);
    };
    const stop = () => {
      if (isStopped) return;
      isStopped = true;
      for (const event of NODE_REDIS_BACK) subscriber.off(event, onBack);
      if (!isPlain) {
        // Rejects, or throws, if the app has closed its client before.
        void attempt(() => subscriber.unsubscribe(channels, onMessage));
        return;
      }
      void attempt(() => subscriber.destroy());
    };
    if (isPlain) subscriber.on('error', ignore);
    return { ready: stopOnFailure(begin, stop), stop };
  }

  free(): void {
    this.#client.off('error', ignore);
  }
}

class IoRedis implements RedisClient {
  readonly #client: IoRedisClient;

  constructor(client: IoRedisClient) {
    this.#client = client;
    client.on('error', ignore);
  }

  run({ sha, text }: Script, keys: string[], args: string[]): Promise<unknown> {
    return orWhole(
      () => this.#client.evalsha(sha, keys.length, ...keys, ...args),
      () => this.#client.eval(text, keys.length, ...keys, ...args),
    );
  }

  async publish(channel: string, message: string): Promise<void> {
    await this.#client.publish(channel, message);
  }

  async entriesAfter(
    key: string,
    id: string,
    most: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]> {
    const found = await this.#client.xrange(key, `(${id}`, '+', 'COUNT', most);
    const entries = found as [string, string[]][];
    return entries.map(([one, values]) => {
      const pairs = values.flatMap((value, index) =>
        index % 2 === 0 ? [[value, values[index + 1] ?? '']] : [],
      );
      return { id: one, fields: Object.fromEntries(pairs) as Record<string, string> };
    });
  }

  subscribe(channels: string[], message: (text: string) => void, interrupted: () => void): Subscription {
    const subscriber = this.#duplicate();
    const onMessage = (_channel: unknown, text: unknown) => message(String(text));
    // `ready` comes before the answer to SUBSCRIBE: a message in between would be lost.
    const onBack = () => void attempt(() => subscriber.ping().then(interrupted, interrupted));
    subscriber.on('error', ignore);
    subscriber.on('message', onMessage);
    const begin = async () => {
      await subscriber.subscribe(...channels);
      for (const event of IOREDIS_BACK) subscriber.on(event, onBack);
    };
    const stop = () => {
      subscriber.off('message', onMessage);
      for (const event of IOREDIS_BACK) subscriber.off(event, onBack);
      subscriber.disconnect();
    };
    return { ready: stopOnFailure(begin, stop), stop };
  }

  /** A connection that waits for Redis, whatever the app wants for its own. */
  #duplicate(): IoRedisClient {
    const own = { enableOfflineQueue: true, autoResubscribe: true, maxRetriesPerRequest: null };
    const client: IoRedisClient = this.#client;
    const copy =
      'nodes' in client ? client.duplicate([], { enableOfflineQueue: true }) : client.duplicate(own);
    return copy as IoRedisClient;
  }

  free(): void {
    this.#client.off('error', ignore);
  }
}

/** Redis may have lost the script: after a restart, a failover or SCRIPT FLUSH. */
async function orWhole(short: () => Promise<unknown>, whole: () => Promise<unknown>): Promise<unknown> {
  try {
    return await short();
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) return whole();
    throw error;
  }
}

async function attempt(act: () => unknown): Promise<void> {
  try {
    await act();
  } catch {
    // The connection is gone already.
  }
}

async function stopOnFailure(begin: () => Promise<void>, stop: () => void): Promise<void> {
  try {
    await begin();
  } catch (error) {
    stop();
    throw error;
  }
}

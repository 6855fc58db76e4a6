import { fail } from '../options/checks/fail.js';
import { ConnectionFailure } from './connection-failure.js';
import type { Script } from './scripts.js';

/** The methods of node-redis (package `redis`) that are used: of a client, a cluster or a sentinel. */
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
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** The methods of ioredis that are used: of a `Redis` or a `Cluster`. */
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

/** A subscription to channels. */
export interface Subscription {
  /** Resolves when all further messages will be delivered. */
  readonly ready: Promise<void>;
  stop(): void;
}

/** A client of Redis, from either package. */
export interface RedisClient {
  readonly failure: ConnectionFailure;
  run(script: Script, keys: string[], args: string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<void>;
  /** The first entries of a stream after an id, at most `most`: id and fields. */
  entriesAfter(
    key: string,
    id: string,
    most: number,
  ): Promise<{ id: string; fields: Record<string, string> }[]>;
  /** Subscribes on a separate connection. `interrupted` is called when this connection is back after a loss. */
  subscribe(channels: string[], message: (text: string) => void, interrupted: () => void): Subscription;
  /** Removes the listeners from the app's client, which stays open. */
  free(): void;
}

/** Accepts a client of either package, and recognises the package by the methods. @throws {TunnelError} WSTUNNEL_OPTION */
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

// Without an `error` listener, a client would end the process when Redis goes down.
const ignore = () => undefined;

/** Events that show a new connection, before which messages may have been lost: of a client, a sentinel, and a cluster. */
const NODE_REDIS_BACK = ['ready', 'topology-change', 'node-ready'];
const IOREDIS_BACK = ['ready', '+node'];

class NodeRedis implements RedisClient {
  readonly failure: ConnectionFailure;
  readonly #client: NodeRedisClient;

  constructor(client: NodeRedisClient) {
    this.#client = client;
    this.failure = new ConnectionFailure(client);
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
    // A cluster or a sentinel opens separate connections for messages by itself.
    const isPlain = has(this.#client, 'duplicate', 'select');
    const subscriber = isPlain ? (this.#client.duplicate?.() as NodeRedisClient) : this.#client;
    let isStopped = false;
    const isOver = () => isStopped;
    const onMessage = (text: unknown) => message(String(text));
    const onBack = () => interrupted();
    const begin = async () => {
      if (isPlain) await subscriber.connect();
      if (isOver()) {
        // destroy() by stop() has no effect on a client that is still connecting.
        if (isPlain) void attempt(() => subscriber.destroy());
        throw new Error('the shared state is closed');
      }
      await subscriber.subscribe(channels, onMessage);
      if (isOver()) {
        // stop() may have run before the subscription existed on the app's client.
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
        // Rejects or throws if the app has already closed its client.
        void attempt(() => subscriber.unsubscribe(channels, onMessage));
        return;
      }
      void attempt(() => subscriber.destroy());
    };
    if (isPlain) subscriber.on('error', ignore);
    return { ready: stopOnFailure(begin, stop), stop };
  }

  free(): void {
    this.failure.free();
  }
}

class IoRedis implements RedisClient {
  readonly failure: ConnectionFailure;
  readonly #client: IoRedisClient;

  constructor(client: IoRedisClient) {
    this.#client = client;
    this.failure = new ConnectionFailure(client);
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
    // ioredis emits `ready` before the answer to SUBSCRIBE, and a message in between is lost. The answer to PING comes after both.
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

  /** A connection that waits for Redis, whatever the settings of the app's client. */
  #duplicate(): IoRedisClient {
    const own = { enableOfflineQueue: true, autoResubscribe: true, maxRetriesPerRequest: null };
    const client: IoRedisClient = this.#client;
    const copy =
      'nodes' in client ? client.duplicate([], { enableOfflineQueue: true }) : client.duplicate(own);
    return copy as IoRedisClient;
  }

  free(): void {
    this.failure.free();
  }
}

/** Sends only the hash of a script, and the whole script if Redis has lost it by a restart, a failover or SCRIPT FLUSH. */
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
    // The connection is already closed.
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

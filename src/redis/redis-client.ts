import { fail } from '../options/checks/fail.js';
import type { Script } from './scripts.js';

/** The part of node-redis's clients (package `redis`) that is used: a client, a cluster or a sentinel. */
export interface NodeRedisClient {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>;
  publish(channel: string, message: string): Promise<unknown>;
  xRange(key: string, start: string, end: string): Promise<unknown>;
  subscribe(channels: string[], listener: (message: string) => void): Promise<void>;
  unsubscribe(channels: string[], listener: (message: string) => void): Promise<void>;
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
  xrange(key: string, start: string, end: string): Promise<unknown>;
  subscribe(...channels: string[]): Promise<unknown>;
  duplicate(): unknown;
  disconnect(): unknown;
  on(event: string, listener: (...args: unknown[]) => void): unknown;
  off(event: string, listener: (...args: unknown[]) => void): unknown;
}

/** A client of Redis, whatever its package. */
export interface RedisClient {
  run(script: Script, keys: string[], args: string[]): Promise<unknown>;
  publish(channel: string, message: string): Promise<void>;
  /** The entries of a stream after an id: id and fields. */
  entriesAfter(key: string, id: string): Promise<{ id: string; fields: Record<string, string> }[]>;
  /** Subscribes on a connection of its own. `interrupted`: the connection was lost and is back. Returns the end. */
  subscribe(
    channels: string[],
    message: (text: string) => void,
    interrupted: () => void,
  ): Promise<() => void>;
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

  async entriesAfter(key: string, id: string): Promise<{ id: string; fields: Record<string, string> }[]> {
    const entries = (await this.#client.xRange(key, `(${id}`, '+')) as {
      id: string;
      message: Record<string, string>;
    }[];
    return entries.map((entry) => ({ id: entry.id, fields: entry.message }));
  }

  async subscribe(
    channels: string[],
    message: (text: string) => void,
    interrupted: () => void,
  ): Promise<() => void> {
    // A cluster and a sentinel have connections of their own for messages.
    const isPlain = has(this.#client, 'duplicate', 'select');
    const subscriber = isPlain ? (this.#client.duplicate?.() as NodeRedisClient) : this.#client;
    const onReady = () => interrupted();
    if (isPlain) {
      subscriber.on('error', ignore);
      await subscriber.connect();
    }
    await subscriber.subscribe(channels, message);
    subscriber.on('ready', onReady);
    return () => {
      subscriber.off('ready', onReady);
      if (isPlain) subscriber.destroy();
      else subscriber.unsubscribe(channels, message).catch(ignore);
    };
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

  async entriesAfter(key: string, id: string): Promise<{ id: string; fields: Record<string, string> }[]> {
    const entries = (await this.#client.xrange(key, `(${id}`, '+')) as [string, string[]][];
    return entries.map(([one, values]) => {
      const pairs = values.flatMap((value, index) =>
        index % 2 === 0 ? [[value, values[index + 1] ?? '']] : [],
      );
      return { id: one, fields: Object.fromEntries(pairs) as Record<string, string> };
    });
  }

  async subscribe(
    channels: string[],
    message: (text: string) => void,
    interrupted: () => void,
  ): Promise<() => void> {
    const subscriber = this.#client.duplicate() as IoRedisClient;
    const onMessage = (_channel: unknown, text: unknown) => message(String(text));
    const onReady = () => interrupted();
    subscriber.on('error', ignore);
    subscriber.on('message', onMessage);
    try {
      await subscriber.subscribe(...channels);
    } catch (error) {
      subscriber.disconnect();
      throw error;
    }
    subscriber.on('ready', onReady);
    return () => {
      subscriber.off('message', onMessage);
      subscriber.off('ready', onReady);
      subscriber.disconnect();
    };
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

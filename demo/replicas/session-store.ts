import session from 'express-session';
import { StoreError } from '../store-error.js';

/** The part of a client of the package `redis` that the store uses. */
export interface SessionClient {
  get(key: string): Promise<string | null>;
  set(key: string, text: string, options: { expiration: { type: 'EX'; value: number } }): Promise<unknown>;
  expire(key: string, seconds: number): Promise<unknown>;
  del(key: string): Promise<unknown>;
}

/** Seconds without a request after which a session ends. */
const LIFE = 86_400;

const keyOf = (id: string) => `demo:session:${id}`;

/** Sessions in Redis, so that each process knows the logins of all. */
export class RedisStore extends session.Store {
  readonly #client: SessionClient;

  constructor(client: SessionClient) {
    super();
    this.#client = client;
  }

  override get(id: string, done: (error: unknown, data?: session.SessionData | null) => void): void {
    const parsed = this.#client
      .get(keyOf(id))
      .then((text) => (text === null ? null : (JSON.parse(text) as session.SessionData)));
    settle(parsed, done);
  }

  override set(id: string, data: session.SessionData, done?: (error?: unknown) => void): void {
    settle(
      this.#client.set(keyOf(id), JSON.stringify(data), { expiration: { type: 'EX', value: LIFE } }),
      done,
    );
  }

  /** Does not bring a destroyed session back. */
  override touch(id: string, _data: session.SessionData, done?: (error?: unknown) => void): void {
    settle(this.#client.expire(keyOf(id), LIFE), done);
  }

  override destroy(id: string, done?: (error?: unknown) => void): void {
    settle(this.#client.del(keyOf(id)), done);
  }
}

/** Outside of the promise, so that an error of the callback is not taken for an error of Redis. */
function settle<Value>(
  promise: Promise<Value>,
  done: (error: unknown, value?: Value) => void = () => undefined,
): void {
  promise.then(
    (value) => setImmediate(done, null, value),
    (cause: unknown) => setImmediate(done, new StoreError('Redis cannot be reached', { cause })),
  );
}

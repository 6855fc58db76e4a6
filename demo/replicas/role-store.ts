import type { Role, RoleStore } from '../roles.js';
import { StoreError } from '../store-error.js';

/** The part of a client of the package `redis` that the store uses. */
export interface RoleClient {
  get(key: string): Promise<string | null>;
  set(key: string, text: string): Promise<unknown>;
}

const keyOf = (name: string) => `demo:role:${name}`;

/** Changed roles in Redis, so that each process knows the changes of all. */
export class RedisRoles implements RoleStore {
  readonly #client: RoleClient;

  constructor(client: RoleClient) {
    this.#client = client;
  }

  get(name: string): Promise<string | null> {
    return this.#client.get(keyOf(name)).catch(fail);
  }

  async set(name: string, role: Role): Promise<void> {
    await this.#client.set(keyOf(name), role).catch(fail);
  }
}

function fail(cause: unknown): never {
  throw new StoreError('Redis cannot be reached', { cause });
}

import { messageOf } from '../../../errors.js';
import { cut } from '../../../helpers/one-line.js';
import { within } from '../../../helpers/within.js';
import { redactUrl } from '../../../observe/redact.js';
import type { NodeRedisTokenClient } from '../../../tokens/redis-tokens.js';
import { CommandError, EXIT } from '../../exit.js';
import { readFirstLine } from '../../files.js';
import { besideCommand } from '../../package-advice.js';
import { MAX_FIELD_LENGTH } from '../log/tunnel-events.js';
import type { RedisSetting } from '../settings/token-settings.js';
import { addressOf, withoutSecret } from '../shared/redis-connection.js';
import { openClient, type OwnClient } from '../shared/redis-packages.js';

/** Seconds for which the start waits for Redis. The start does not fail because Redis is down. */
const FIRST_CONNECTION = 2;

/**
 * The client for `--tokens redis:`, which `clients` then contains. Without `clients` no connection is opened.
 *
 * @throws {CommandError} if the package of a client is not installed, or the password can't be read
 */
export async function redisClient(
  { url, passwordFile }: RedisSetting,
  clients: OwnClient[] | undefined,
  warn: (line: string) => void,
): Promise<NodeRedisTokenClient> {
  const open = await openClient();
  if (!open)
    throw new CommandError(
      EXIT.config,
      `--tokens redis: needs a client for Redis (redis or ioredis) ${besideCommand('redis')}`,
    );
  const password =
    passwordFile === undefined ? undefined : readFirstLine(passwordFile, 'the password of --tokens redis:');
  if (!clients) return UNCONNECTED;
  let isReady: (value?: unknown) => void = () => undefined;
  const ready = new Promise((resolve) => (isReady = resolve));
  const outages = new Outages(`Redis of --tokens at ${redactUrl(url)}`, warn);
  const own = open({
    ...addressOf(url),
    ...(password !== undefined && { password }),
    failed: (error) => outages.failed(withoutSecret(messageOf(error), password)),
    ready: () => {
      outages.ended();
      isReady();
    },
  });
  clients.push({
    client: own.client,
    close: () => {
      outages.stop();
      own.close();
    },
  });
  await within(FIRST_CONNECTION, ready);
  return own.client as NodeRedisTokenClient;
}

/** Two lines for each outage, at its start and its end, however often the client tries to connect meanwhile. */
class Outages {
  readonly #name: string;
  readonly #warn: (line: string) => void;
  #isDown = false;
  #isStopped = false;

  constructor(name: string, warn: (line: string) => void) {
    this.#name = name;
    this.#warn = warn;
  }

  failed(reason: string): void {
    if (this.#isDown || this.#isStopped) return;
    this.#isDown = true;
    const shown = cut(reason, MAX_FIELD_LENGTH.reason ?? Infinity);
    this.#warn(`${this.#name} cannot be reached (${shown}): requests with a token get 503 meanwhile`);
  }

  ended(): void {
    if (this.#isDown && !this.#isStopped) this.#warn(`${this.#name} is reached again`);
    this.#isDown = false;
  }

  /** The command itself closes the connection: its errors are not an outage. */
  stop(): void {
    this.#isStopped = true;
  }
}

/** In place of a client, for `--check-config`. */
const UNCONNECTED: NodeRedisTokenClient = {
  get: () => Promise.resolve(null),
  getDel: () => Promise.resolve(null),
};

import { messageOf } from '../../../errors.js';
import { without } from '../../../helpers/without.js';
import { RedisBackplane } from '../../../redis/redis-backplane.js';
import { readClient } from '../../../redis/redis-client.js';
import { readRedisOptions } from '../../../redis/redis-options.js';
import { CommandError, EXIT } from '../../exit.js';
import { readFirstLine } from '../../files.js';
import { besideCommand } from '../../package-advice.js';
import type { SharedSettings } from '../plan.js';
import { PASSWORD_VARIABLE } from '../settings/shared-settings.js';
import { openClient, type OwnClient } from './redis-packages.js';
import type { StateLink } from './state-link.js';

/**
 * Begins to connect to Redis, and retries until that succeeds. `worker`: its number, since workers of one command must have different
 * names.
 *
 * @throws {CommandError} if the package of a client is not installed, or the password can't be read
 */
export async function connectRedis(
  shared: SharedSettings,
  environment: Readonly<Record<string, string | undefined>>,
  worker: number | undefined,
): Promise<StateLink> {
  const { url, replica } = shared;
  const password = passwordOf(shared, environment);
  const { prefix, names, ...settings } = readRedisOptions({
    ...without(shared, 'url', 'replica', 'passwordFile'),
    ...(replica !== undefined && { replica: worker === undefined ? replica : `${replica}-${worker}` }),
  });
  const open = await requireClient();
  let failure: string | undefined;
  const client: OwnClient = open({
    ...addressOf(url),
    ...(password !== undefined && { password }),
    failed: (error) => (failure = withoutSecret(messageOf(error), password)),
    ready: () => (failure = undefined),
  });
  return {
    backplane: new RedisBackplane(readClient(client.client), { prefix, names, ...settings }),
    settings,
    name: `the shared state at ${url}`,
    isOwn: false,
    failure: () => failure,
    close: () => client.close(),
  };
}

/** The client of the installed package. @throws {CommandError} if none is installed */
export async function requireClient(): Promise<NonNullable<Awaited<ReturnType<typeof openClient>>>> {
  const open = await openClient();
  if (open) return open;
  throw new CommandError(
    EXIT.config,
    `--shared needs a client for Redis (redis or ioredis) ${besideCommand('redis')}`,
  );
}

/** A URL with a user would replace the password of the options. */
export function addressOf(text: string): { url: string; username?: string } {
  const url = new URL(text);
  const username = decodeURIComponent(url.username);
  url.username = '';
  return { url: url.href, ...(username !== '' && { username }) };
}

/** The password of the shared state; the file wins. @throws {CommandError} */
export function passwordOf(
  { passwordFile }: Pick<SharedSettings, 'passwordFile'>,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  if (passwordFile !== undefined) return readFirstLine(passwordFile, 'the password of the shared state');
  const password = environment[PASSWORD_VARIABLE];
  return password === '' ? undefined : password;
}

/** An old Redis repeats unknown commands with their arguments, such as the password, in its errors. */
export function withoutSecret(text: string, password: string | undefined): string {
  return password === undefined ? text : text.replaceAll(password, '***');
}

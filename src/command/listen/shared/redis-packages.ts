import type * as IoRedis from 'ioredis';
import type * as Redis from 'redis';

/** Milliseconds for a connection to Redis to open. */
const CONNECT_TIMEOUT = 5000;
/** Milliseconds of silence after which a connection is opened anew: the machine of Redis may be gone without closing its connections. */
const SILENCE = 30_000;
/** Milliseconds between two PINGs, which notice this silence. */
const PING_INTERVAL = 10_000;
/** Milliseconds before the first retry, and the most between two tries. */
const FIRST_PAUSE = 100;
const LONGEST_PAUSE = 5000;

interface ClientSettings {
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** A connection failed. */
  readonly failed: (error: unknown) => void;
  /** A connection is open. */
  readonly ready: () => void;
}

/** A client that the command itself has opened. */
export interface OwnClient {
  readonly client: unknown;
  close(): void;
}

/**
 * Finds a client of one of the optional packages, beside this package. Undefined if none is installed. The current folder is not
 * searched: a command that root starts in another user's folder would run that user's code.
 */
export async function openClient(): Promise<((settings: ClientSettings) => OwnClient) | undefined> {
  const redis = await found(() => import('redis'));
  if (redis) return (settings) => openNodeRedis(redis, settings);
  const ioredis = await found(() => import('ioredis'));
  return ioredis && ((settings) => openIoRedis(ioredis, settings));
}

/** Undefined if the package is not installed. A package that is broken is an error. */
async function found<T>(load: () => Promise<T>): Promise<T | undefined> {
  try {
    return await load();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND') return undefined;
    throw error;
  }
}

function openNodeRedis(
  { createClient }: typeof Redis,
  { failed, ready, ...settings }: ClientSettings,
): OwnClient {
  const client = createClient({
    ...settings,
    // Calls have a deadline: a call queued for the next connection would be sent long after the deadline.
    disableOfflineQueue: true,
    pingInterval: PING_INTERVAL,
    socket: { connectTimeout: CONNECT_TIMEOUT, socketTimeout: SILENCE, reconnectStrategy: pauseBefore },
  });
  client.on('error', failed).on('ready', ready);
  // Rejects when the client is closed before the first connection.
  client.connect().catch(() => undefined);
  return { client, close: () => client.destroy() };
}

function openIoRedis(
  { Redis: Client }: Pick<typeof IoRedis, 'Redis'>,
  { failed, ready, ...settings }: ClientSettings,
): OwnClient {
  const { url, ...login } = settings;
  const client = new Client(url, {
    ...login,
    connectTimeout: CONNECT_TIMEOUT,
    socketTimeout: SILENCE,
    // Calls fail with the connection, and none is queued for the next one.
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
    retryStrategy: pauseBefore,
  });
  client.on('error', failed).on('ready', ready);
  return { client, close: () => client.disconnect() };
}

/** A random pause, so that processes that lost Redis together do not all come back together. */
function pauseBefore(retries: number): number {
  return Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** Math.min(retries, 10)) * (0.5 + Math.random() / 2);
}

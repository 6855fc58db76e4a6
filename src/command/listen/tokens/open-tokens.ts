import type { IncomingMessage } from 'node:http';
import { plainMessageOf, TunnelError } from '../../../errors.js';
import { within } from '../../../helpers/within.js';
import { apiTokens } from '../../../tokens/api-tokens.js';
import { storeTokens } from '../../../tokens/file-tokens.js';
import { FileFault } from '../../../tokens/files/file-fault.js';
import { folderTokens } from '../../../tokens/folder-tokens.js';
import { jwtTokens, type JwtTokensOptions } from '../../../tokens/jwt-tokens.js';
import { redisTokens, type NodeRedisTokenClient } from '../../../tokens/redis-tokens.js';
import { socketTokens } from '../../../tokens/socket-tokens.js';
import { openableServer, type OpenableTokenServer } from '../../../tokens/token-server.js';
import type { TokenSource } from '../../../tokens/token-types.js';
import { CommandError, EXIT } from '../../exit.js';
import { readFirstLine, readTextFile, requireFolder } from '../../files.js';
import type { JwtSetting, RedisSetting, TokenSetting, TokenSettings } from '../settings/token-settings.js';
import { addressOf } from '../shared/redis-connection.js';
import { openClient, type OwnClient } from '../shared/redis-packages.js';

/** Seconds for which the start waits for Redis. The start does not fail because Redis is down. */
const FIRST_CONNECTION = 2;

/** The sources of `--tokens`. */
export interface OpenTokens {
  readonly server: OpenableTokenServer;
  /** Is the token of an open tunnel still valid? Undefined if that can't be found out now. */
  isValid(req: IncomingMessage, signal: AbortSignal): Promise<boolean | undefined>;
  /** Closes the connections to stores. */
  close(): void;
}

/**
 * Opens all sources: reads the files, loads the packages and connects to the stores. Without `connects` (`--check-config`) no connection
 * is opened.
 *
 * @throws {CommandError} with the first fault; nothing is left open then
 */
export async function openTokens(
  { sources, from, targets }: TokenSettings,
  warn: (line: string) => void,
  { connects = true } = {},
): Promise<OpenTokens> {
  const clients: OwnClient[] = [];
  const close = () => {
    for (const client of clients.splice(0)) client.close();
  };
  try {
    const made: TokenSource[] = [];
    for (const source of sources) made.push(await sourceOf(source, warn, connects ? clients : undefined));
    const server = openableServer(made, {
      ...(from !== undefined && { from }),
      ...(targets !== undefined && { targets: targets === '*' ? targets : [...targets] }),
    });
    await server.open(warn);
    return { server, isValid: (req, signal) => server.recheck(req, signal), close };
  } catch (error) {
    close();
    if (error instanceof FileFault) throw new CommandError(EXIT.config, error.message, { cause: error });
    if (!(error instanceof TunnelError)) throw error;
    // The message names a function of express-wstunnel/tokens, which a user of the command does not know.
    const message = plainMessageOf(error).replace(/^jwtTokens\(\)\.?/, 'jwt: ');
    throw new CommandError(EXIT.config, `--tokens ${message}`, { cause: error });
  }
}

async function sourceOf(
  source: TokenSetting,
  warn: (line: string) => void,
  clients: OwnClient[] | undefined,
): Promise<TokenSource> {
  switch (source.kind) {
    case 'file':
      return storeTokens(source.path, { read: 'changed', warn });
    case 'folder':
      requireFolder(source.path);
      return folderTokens(source.path);
    case 'sockets':
      requireFolder(source.path);
      return socketTokens(source.path);
    case 'jwt':
      return jwtTokens(jwtOptions(source));
    case 'redis':
      return redisTokens(await redisClient(source, clients), { prefix: source.prefix, once: source.once });
    case 'api':
      return apiTokens({ url: source.url });
  }
}

function jwtOptions({ path, url, algorithms, audience, issuer }: JwtSetting): JwtTokensOptions {
  const rules = {
    algorithms: [...algorithms],
    audience: audience === false ? audience : [...audience],
    ...(issuer && { issuer: [...issuer] }),
  };
  return path === undefined
    ? { ...rules, jwks: url ?? '' }
    : { ...rules, ...keyOf(readTextFile(path).trim(), path) };
}

/** A key in PEM form, a JWK, a set of JWKs, or, as in websockify, the base64url text of a secret. @throws {CommandError} */
function keyOf(text: string, path: string): Pick<JwtTokensOptions, 'key' | 'jwks'> {
  if (text.includes('-----BEGIN ')) return { key: text };
  if (/^[\w-]+={0,2}$/.test(text)) return { key: { kty: 'oct', k: text } };
  try {
    const value = JSON.parse(text) as { keys?: object[] };
    return Array.isArray(value.keys) ? { jwks: { keys: value.keys } } : { key: value };
  } catch {
    // The message of JSON.parse repeats a part of the key.
    const rule = 'must contain a key in PEM form, a JWK, a set of JWKs, or the base64url text of a secret';
    throw new CommandError(EXIT.config, `${path}: ${rule}`);
  }
}

async function redisClient(
  { url, passwordFile }: RedisSetting,
  clients: OwnClient[] | undefined,
): Promise<NodeRedisTokenClient> {
  const found = await openClient();
  if (!found)
    throw new CommandError(
      EXIT.config,
      '--tokens redis: needs a client for Redis: npm install redis (the package ioredis also works)',
    );
  const password =
    passwordFile === undefined ? undefined : readFirstLine(passwordFile, 'the password of --tokens redis:');
  if (!clients) return UNCONNECTED;
  let isReady: (value?: unknown) => void = () => undefined;
  const ready = new Promise((resolve) => (isReady = resolve));
  const client = found({
    ...addressOf(url),
    ...(password !== undefined && { password }),
    // The next look-up reports the failure.
    failed: () => undefined,
    ready: () => isReady(),
  });
  clients.push(client);
  await within(FIRST_CONNECTION, ready);
  return client.client as NodeRedisTokenClient;
}

/** In place of a client, for `--check-config`. */
const UNCONNECTED: NodeRedisTokenClient = {
  get: () => Promise.resolve(null),
  getDel: () => Promise.resolve(null),
};

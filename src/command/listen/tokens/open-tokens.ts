import type { IncomingMessage } from 'node:http';
import { join, sep } from 'node:path';
import { plainMessageOf, TunnelError } from '../../../errors.js';
import { apiTokens } from '../../../tokens/api-tokens.js';
import { storeTokens } from '../../../tokens/file-tokens.js';
import { FileFault } from '../../../tokens/files/file-fault.js';
import { LINE_RULE } from '../../../tokens/files/token-file.js';
import { folderTokens } from '../../../tokens/folder-tokens.js';
import { jwtTokens, type JwtTokensOptions } from '../../../tokens/jwt-tokens.js';
import { redisTokens } from '../../../tokens/redis-tokens.js';
import { socketTokens } from '../../../tokens/socket-tokens.js';
import { openableServer, type OpenableTokenServer } from '../../../tokens/token-server.js';
import type { TokenSource } from '../../../tokens/token-types.js';
import { CommandError, EXIT } from '../../exit.js';
import { readTextFile, requireFolder } from '../../files.js';
import { besideCommand } from '../../package-advice.js';
import type { JwtSetting, TokenSetting, TokenSettings } from '../settings/token-settings.js';
import type { OwnClient } from '../shared/redis-packages.js';
import { redisClient } from './redis-client.js';

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
    throw faultFor(error, sources);
  }
}

/** The errors of the sources name functions of express-wstunnel/tokens, which a user of the command does not know. */
function faultFor(error: unknown, sources: readonly TokenSetting[]): unknown {
  const because = (message: string) => new CommandError(EXIT.config, message, { cause: error });
  if (error instanceof FileFault) return because(`${error.message}${folderHint(error.message, sources)}`);
  if (!(error instanceof TunnelError)) return error;
  if (isMissingPackage(error.cause))
    return because(`--tokens jwt: needs the package jose ${besideCommand('jose')}`);
  return because(`--tokens ${plainMessageOf(error).replace(/^jwtTokens\(\)\.?/, 'jwt: ')}`);
}

/** Files of `folder:` contain a target alone, which is an invalid line in a file of `token: target`. */
function folderHint(message: string, sources: readonly TokenSetting[]): string {
  const folder = sources.find(({ kind, ...source }) => {
    const path = kind === 'file' && 'path' in source ? source.path : undefined;
    return path !== undefined && message.startsWith(join(path, sep));
  });
  if (!folder || !message.includes(LINE_RULE)) return '';
  return `; if each file is named after its token and contains a target, give folder:PATH`;
}

function isMissingPackage(cause: unknown): boolean {
  const { code } = (cause ?? {}) as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
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
      return redisTokens(await redisClient(source, clients, warn), {
        prefix: source.prefix,
        once: source.once,
      });
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

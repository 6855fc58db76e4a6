import type { IncomingMessage } from 'node:http';
import { oneOf } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { GRANTS, type AskGrant, type Grant } from '../request/grant.js';
import { hideSubprotocols } from '../request/secret-subprotocols.js';
import type { HookContext, Host } from '../types.js';
import { hookFailure, unknownToken } from './refusals.js';
import { HIDE_PATH } from '../observe/redact.js';
import { readTargets } from './targets.js';
import { subprotocolBegin, TOKEN_PLACES, tokenFault, tokenOf, type TokenPlace } from './token-place.js';
import { traitsOf, type TokenAnswer, type TokenContext, type TokenSource } from './token-types.js';

/** The options of `tokenServer()`, its last argument. */
export interface TokenServerOptions {
  /**
   * Where the request has the token: `'query'` (default; `?token=abc`), `'cookie'`, `'path'` (its last segment), `'host'` (the first
   * label of the name) or `'subprotocol'` (`token.abc`).
   */
  from?: TokenPlace;
  /** The name of the parameter or cookie, and the part of the subprotocol before the dot. Default `token`. */
  name?: string;
  /**
   * The targets that a token may lead to: `host:port`, `*.lan:5900-5999`, `10.0.0.0/8:5900`, `[fd00::/8]:*`, `*:5900`, `unix:/run/vnc/`;
   * `'*'` for every target. Required with `jwtTokens()`, `redisTokens()` and `apiTokens()`. Default: every target of the sources.
   */
  targets?: '*' | string[];
}

/** A function for the option `server`. Besides the target, it gives the tunnel the user, `viewOnly` and `maxDuration` of the token. */
export interface TokenServer {
  (req: IncomingMessage, context: HookContext): Promise<Host | Host[] | undefined>;
  /** @internal */
  readonly [GRANTS]: AskGrant<IncomingMessage>;
}

/** A token server with the two methods that the command needs. */
export interface OpenableTokenServer extends TokenServer {
  /** Reads all files and loads all packages. Rejects with the first fault. */
  open(warn: (line: string) => void): Promise<void>;
  /** Is the token of an open tunnel still valid? Undefined if that can't be found out now. */
  recheck(req: IncomingMessage, signal: AbortSignal): Promise<boolean | undefined>;
}

const CHECKS = {
  from: oneOf(TOKEN_PLACES),
  // HTTP allows these characters in the name of a cookie, in a parameter and in a subprotocol.
  name: (value: unknown, name: Parameters<typeof fail>[0]) => {
    if (typeof value !== 'string' || !/^[\w.-]+$/.test(value))
      fail(name, 'must be a word of letters, digits, "_", "." and "-"', value);
  },
  targets: (value: unknown, name: Parameters<typeof fail>[0]) => void readTargets(value, String(name)),
};

/**
 * Targets by token, for the option `server`. The sources are asked in turn, and the first answer counts; a source that fails refuses
 * the request.
 *
 *     wstunnel({ server: tokenServer(fileTokens('/etc/vnc/tokens')) });
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, and for a source that needs `targets`.
 */
export function tokenServer(...sources: [TokenSource, ...TokenSource[]]): TokenServer;
export function tokenServer(...given: [TokenSource, ...TokenSource[], TokenServerOptions]): TokenServer;
export function tokenServer(...given: readonly (TokenSource | TokenServerOptions)[]): TokenServer {
  const last = given.at(-1);
  const options = typeof last === 'function' ? {} : (last ?? {});
  return openableServer(typeof last === 'function' ? given : given.slice(0, -1), options);
}

export function openableServer(given: readonly unknown[], options: TokenServerOptions): OpenableTokenServer {
  checkNames(options, 'tokenServer()', CHECKS);
  if (given.length === 0) fail('tokenServer()', 'needs at least one source, such as fileTokens(path)', given);
  const sources = given.map((source) => {
    if (typeof source === 'function') return source as TokenSource;
    return fail('tokenServer()', 'takes sources, and an object of options as the last argument', source);
  });
  const { from = 'query', name = 'token', targets } = options;
  if (targets === undefined && sources.some((source) => traitsOf(source).needsTargets))
    fail(
      'tokenServer().targets',
      'is required with jwtTokens(), redisTokens() and apiTokens(), whose entries could name any host: list targets such as "*.vnc.lan:5900", or "*" for every target',
      targets,
    );
  const check = readTargets(targets ?? '*', 'tokenServer().targets');
  const grantOf = async (req: IncomingMessage, { signal }: HookContext): Promise<Grant> => {
    if (from === 'subprotocol') hideSubprotocols(req, subprotocolBegin(name));
    const token = tokenOf(req, from, name);
    if (token === undefined) throw unknownToken(`the request has no token (from ${from})`);
    const fault = tokenFault(token);
    if (fault !== undefined) throw unknownToken(fault);
    const notes: string[] = [];
    const context = { req, signal, note: (reason: string) => void notes.push(reason) };
    const answer = await firstAnswer(sources, token, context);
    if (!answer) throw unknownToken(notes.length === 0 ? 'no source knows the token' : notes.join('; '));
    const { target, ...rest } = answer;
    const hosts = await Promise.all([target].flat().map((host) => check(host, signal)));
    const inside = hosts.filter((host) => host !== undefined);
    if (inside.length !== hosts.length || inside.length === 0)
      throw unknownToken('the token leads outside of targets');
    return { ...rest, target: inside };
  };
  const server = async (req: IncomingMessage, context: HookContext) => (await grantOf(req, context)).target;
  return Object.assign(server, {
    [GRANTS]: grantOf,
    ...(from === 'path' && { [HIDE_PATH]: true as const }),
    async open(warn: (line: string) => void) {
      for (const source of sources) await traitsOf(source).open?.(warn);
    },
    async recheck(req: IncomingMessage, signal: AbortSignal) {
      const token = tokenOf(req, from, name);
      if (token === undefined || tokenFault(token) !== undefined) return false;
      const context = { req, signal, note: () => undefined };
      return recheckBy(sources, token, context);
    },
  });
}

async function firstAnswer(
  sources: readonly TokenSource[],
  token: string,
  context: TokenContext,
): Promise<TokenAnswer | undefined> {
  for (const source of sources) {
    context.signal.throwIfAborted();
    try {
      const answer: unknown = await source(token, context);
      if (answer !== undefined && answer !== null) return readAnswer(answer);
    } catch (error) {
      if (context.signal.aborted && error === context.signal.reason) throw error;
      throw hookFailure(error, token);
    }
  }
  return undefined;
}

/** Checks the names in the answer of a source: an unknown name, such as `viewonly`, is a mistake. The tunnel checks the values. */
function readAnswer(answer: unknown): TokenAnswer {
  const known = {
    target: () => undefined,
    user: () => undefined,
    viewOnly: () => undefined,
    maxDuration: () => undefined,
  };
  checkNames(answer, 'the answer of a token source', known);
  const { target } = answer as Partial<TokenAnswer>;
  const hosts: unknown[] = [target].flat();
  if (hosts.length === 0 || hosts.some((host) => typeof host !== 'object' || host === null))
    fail('the answer of a token source', 'needs a target: a host or a list of hosts', answer);
  return answer as TokenAnswer;
}

/** True if one source accepts the token, false if all sources reject the token, undefined if that can't be found out now. */
async function recheckBy(
  sources: readonly TokenSource[],
  token: string,
  context: TokenContext,
): Promise<boolean | undefined> {
  let isUnsure = false;
  for (const source of sources) {
    const { recheck = async () => (await source(token, context)) !== undefined } = traitsOf(source);
    const verdict = await recheck(token, context).catch(() => undefined);
    if (verdict === true) return true;
    isUnsure ||= verdict === undefined;
  }
  return isUnsure ? undefined : false;
}

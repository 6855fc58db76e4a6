import { isAbsolute, resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { redactUrl } from '../../../observe/redact.js';
import { faultOfUrl } from '../../../tokens/api-tokens.js';
import { ALGORITHMS } from '../../../tokens/jwt/jwt-key.js';
import { readTargets } from '../../../tokens/targets.js';
import { TOKEN_PLACES, type TokenPlace } from '../../../tokens/token-place.js';
import { fail } from '../../../options/checks/fail.js';
import type { OptionRef } from '../../../options/checks/option-path.js';
import { usageError } from '../../command-line/args.js';
import type { ListenArgs } from './listen-flags.js';
import { checkOption, listOf } from './tunnel-flags.js';

/** One source of tokens. Paths are absolute. */
export type TokenSetting =
  | { readonly kind: 'file' | 'folder' | 'sockets'; readonly path: string }
  | JwtSetting
  | RedisSetting
  | { readonly kind: 'api'; readonly url: string };

export interface JwtSetting {
  readonly kind: 'jwt';
  /** The file of the key or of the set of keys, or the URL of the set. */
  readonly path?: string;
  readonly url?: string;
  readonly algorithms: readonly string[];
  readonly audience: readonly string[] | false;
  readonly issuer?: readonly string[];
}

export interface RedisSetting {
  readonly kind: 'redis';
  /** Without a password. */
  readonly url: string;
  readonly prefix: string;
  readonly once: boolean;
  readonly passwordFile?: string;
}

/** `--tokens`, `--token-from` and `--token-targets`. */
export interface TokenSettings {
  readonly sources: readonly TokenSetting[];
  readonly from?: TokenPlace;
  /** Default: every target, if no source needs targets. */
  readonly targets?: '*' | readonly string[];
}

const FORMS =
  'must be a file, folder:PATH, sockets:PATH, jwt:FILE?algorithms=RS256&audience=NAME, redis://HOST:PORT?prefix=NAME: or https://HOST/PATH/%s';

/** The fault in the text of a source, as the end of a sentence; undefined for a valid source. */
export function tokenSourceFault(text: string): string | undefined {
  const found = readSource(text, (path) => path);
  return typeof found === 'string' ? found : undefined;
}

/** Reads a valid source. `file` makes a path absolute. */
export function tokenSourceOf(text: string, file: (path: string) => string): TokenSetting {
  const found = readSource(text, file);
  if (typeof found === 'string') throw usageError(`--tokens ${found}`);
  return found;
}

/** A source, or the fault. A path that begins like a scheme is written `./jwt:a`. */
function readSource(text: string, file: (path: string) => string): TokenSetting | string {
  const [, scheme = '', rest = ''] = /^(file|folder|sockets|jwt|rediss?|https?):(.*)$/s.exec(text) ?? [];
  const [, other] = scheme === '' ? (/^([a-z][a-z\d+.-]*:)\/\//i.exec(text) ?? []) : [];
  if (other !== undefined) return `has an unknown kind of source, "${other}": it ${FORMS}`;
  switch (scheme) {
    case '':
      return text === '' ? FORMS : { kind: 'file', path: file(text) };
    case 'file':
    case 'folder':
    case 'sockets':
      return rest === '' ? FORMS : { kind: scheme, path: file(rest) };
    case 'jwt':
      return jwtOf(rest, file);
    case 'redis':
    case 'rediss':
      return redisOf(text, file);
    default: {
      const fault = faultOfUrl(text);
      return fault === undefined ? { kind: 'api', url: text } : `${redactUrl(hideLogin(text))} ${fault}`;
    }
  }
}

function jwtOf(text: string, file: (path: string) => string): JwtSetting | string {
  const [place = '', query = ''] = text.split(/\?(.*)/s);
  const given = new URLSearchParams(query);
  const list = (name: string) =>
    given
      .getAll(name)
      .flatMap((value) => value.split(','))
      .filter((one) => one !== '');
  const [algorithms, audience, issuer] = ['algorithms', 'audience', 'issuer'].map(list) as [
    string[],
    string[],
    string[],
  ];
  if (place === '') return FORMS;
  const unknown = algorithms.find((one) => !Object.hasOwn(ALGORITHMS, one));
  if (algorithms.length === 0 || unknown !== undefined)
    return `jwt: needs algorithms, such as ?algorithms=RS256, of ${Object.keys(ALGORITHMS).join(', ')}`;
  if (audience.length === 0)
    return 'jwt: needs an audience, such as &audience=vnc, or &audience=* for tokens of any audience';
  const rules = {
    kind: 'jwt',
    algorithms,
    audience: audience.includes('*') ? false : audience,
    ...(issuer.length > 0 && { issuer }),
  } as const;
  for (const name of ['algorithms', 'audience', 'issuer']) given.delete(name);
  if (/^https?:\/\//.test(place))
    return { ...rules, url: given.size === 0 ? place : `${place}?${given.toString()}` };
  const [other] = given.keys();
  return other === undefined
    ? { ...rules, path: file(place) }
    : `jwt: has no "${other}": give algorithms, audience and issuer`;
}

function redisOf(text: string, file: (path: string) => string): RedisSetting | string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || url.hostname === '' || !/^(\/\d*)?$/.test(url.pathname) || url.hash !== '')
    return 'redis: must be redis://HOST:PORT/NUMBER?prefix=NAME:';
  if (url.password !== '')
    return 'redis: must have no password, since other users may read it there: write it into a file, and add &password-file=FILE';
  const given = url.searchParams;
  const [prefix, once, passwordFile] = ['prefix', 'once', 'password-file'].map(
    (name) => given.get(name) ?? undefined,
  );
  const other = [...given.keys()].find((name) => !['prefix', 'once', 'password-file'].includes(name));
  if (other !== undefined) return `redis: has no "${other}": give prefix, once and password-file`;
  if (prefix === undefined)
    return 'redis: needs a prefix of the keys, such as ?prefix=vnc:, or ?prefix= for none';
  const isOnce = once !== undefined && once !== 'false';
  if (isOnce && prefix === '')
    return 'redis: needs a prefix with once: a token could remove any key of the database';
  url.search = '';
  return {
    kind: 'redis',
    url: url.href,
    prefix,
    once: isOnce,
    ...(passwordFile !== undefined && passwordFile !== '' && { passwordFile: file(passwordFile) }),
  };
}

/** The settings of the command line. The file has those that the command line does not give. @throws {CommandError} */
export function tokensOf(args: ListenArgs, inFile: TokenSettings | undefined): TokenSettings | undefined {
  const given = args.list('tokens');
  for (const text of given) {
    const fault = tokenSourceFault(text);
    if (fault !== undefined) throw usageError(`--tokens ${fault}`);
  }
  const sources =
    given.length > 0 ? given.map((text) => tokenSourceOf(text, absolute)) : (inFile?.sources ?? []);
  const from = args.text('token-from');
  if (from !== undefined && !isPlace(from))
    throw usageError(`--token-from must be one of ${TOKEN_PLACES.join(', ')}; got "${from}"`);
  const listed = listOf(args.list('token-targets'));
  const ofFlags = listed.length === 1 && listed[0] === '*' ? '*' : listed.length > 0 ? listed : undefined;
  if (ofFlags !== undefined) checkOption(() => void readTargets(ofFlags, '--token-targets'));
  if (sources.length === 0) {
    const alone = ['token-from', 'token-targets'].find((name) => args.has(name as 'token-from'));
    if (alone !== undefined) throw usageError(`--${alone} needs --tokens`);
    if (inFile) throw usageError('"tokenFrom" and "tokenTargets" in the configuration need "tokens"');
    return undefined;
  }
  const targets = ofFlags ?? inFile?.targets;
  const place = from ?? inFile?.from;
  if (targets === undefined && sources.some(needsTargets))
    throw usageError(
      '--tokens with jwt:, redis: or https: needs --token-targets, since the entries could name any host: give a list such as "*.vnc.lan:5900", or "*" for every target',
    );
  return { sources, ...(place !== undefined && { from: place }), ...(targets !== undefined && { targets }) };
}

function needsTargets({ kind }: TokenSetting): boolean {
  return kind === 'jwt' || kind === 'redis' || kind === 'api';
}

function absolute(path: string): string {
  return isAbsolute(path) ? path : resolve(path);
}

function isPlace(text: string): text is TokenPlace {
  return (TOKEN_PLACES as readonly string[]).includes(text);
}

/** The checks of a JSON file. */
export const TOKEN_CHECKS = {
  tokens: (value: unknown, name: OptionRef) => {
    const texts: unknown[] = Array.isArray(value) ? value : [value];
    if (texts.length === 0) fail(name, FORMS, value);
    for (const text of texts) {
      const fault = typeof text === 'string' ? tokenSourceFault(text) : FORMS;
      if (fault !== undefined)
        fail(name, fault, typeof text === 'string' ? redactUrl(hideLogin(text)) : text);
    }
  },
  tokenFrom: (value: unknown, name: OptionRef) => {
    if (typeof value !== 'string' || !isPlace(value))
      fail(name, `must be one of ${TOKEN_PLACES.join(', ')}`, value);
  },
  tokenTargets: (value: unknown, name: OptionRef) => void readTargets(value, String(name)),
};

/** The values of a JSON file. */
export interface TokensInJson {
  readonly tokens?: string | readonly string[];
  readonly tokenFrom?: TokenPlace;
  readonly tokenTargets?: '*' | readonly string[];
}

export function tokensOfJson(
  { tokens = [], tokenFrom, tokenTargets }: TokensInJson,
  file: (path: string) => string,
): TokenSettings {
  return {
    sources: [tokens].flat().map((text) => tokenSourceOf(text, file)),
    ...(tokenFrom !== undefined && { from: tokenFrom }),
    ...(tokenTargets !== undefined && { targets: tokenTargets }),
  };
}

/** The sources as one text for the message at the start, without secrets. */
export function shownTokens({ sources }: TokenSettings): string {
  const shown = sources.map((source) => {
    if (source.kind === 'file') return source.path;
    if (source.kind === 'redis' || source.kind === 'api') return redactUrl(source.url);
    return `${source.kind}:${source.kind === 'jwt' ? redactUrl(source.url ?? source.path ?? '') : source.path}`;
  });
  return shown.join(', ');
}

/** Files and folders with tokens, keys and passwords. */
export function tokenPaths(tokens: TokenSettings | undefined): string[] {
  return (tokens?.sources ?? []).flatMap((source) => {
    switch (source.kind) {
      case 'jwt':
        return source.path ?? [];
      case 'redis':
        return source.passwordFile ?? [];
      case 'api':
        return [];
      default:
        return source.path;
    }
  });
}

import { resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { checkText } from '../../../options/checks/basic.js';
import { fail, type Check } from '../../../options/checks/fail.js';
import { checkNames } from '../../../options/checks/names.js';
import { OptionPath } from '../../../options/checks/option-path.js';
import { REDIS_CHECKS, requireShortTimeout } from '../../../redis/redis-options.js';
import { usageError } from '../../command-line/args.js';
import type { SharedSettings } from '../plan.js';
import { fileOption } from './flag-values.js';
import type { ListenArgs } from './listen-flags.js';

/** The environment variable with the password of the shared state. */
export const PASSWORD_VARIABLE = 'WSTUNNEL_SHARED_PASSWORD';

const URL_RULE = 'must be redis://HOST:PORT or rediss://HOST:PORT, with /NUMBER for another database';
const PASSWORD_RULE = `must have no password, since other users may read it there: write the password into a file and name the file with --shared-password-file, or "passwordFile" in JSON, or set the environment variable ${PASSWORD_VARIABLE}`;

const CHECKS: Readonly<Record<string, Check>> = {
  url: (value, name) => {
    const fault = typeof value === 'string' ? faultOf(value) : URL_RULE;
    if (fault !== undefined) fail(name, fault, value);
  },
  prefix: REDIS_CHECKS.prefix,
  replica: REDIS_CHECKS.replica,
  ttl: REDIS_CHECKS.ttl,
  timeout: REDIS_CHECKS.timeout,
  whenDown: REDIS_CHECKS.whenDown,
  names: REDIS_CHECKS.names,
  passwordFile: checkText,
};

/** Checks `shared` of a JSON file: a URL, or an object. */
export const checkShared: Check = (value, name) => {
  if (typeof value === 'string') {
    CHECKS.url?.(value, name);
    return;
  }
  checkNames(value, name, CHECKS);
  const { url, ttl, timeout } = value as Partial<SharedSettings>;
  if (url === undefined) fail(name, 'needs a "url"', value);
  requireShortTimeout({ ttl, timeout }, OptionPath.of(name).key('timeout'));
};

/** A valid `shared` of a JSON file. */
export type SharedInJson = string | SharedSettings;

export function sharedOfJson(given: SharedInJson, file: (path: string) => string): SharedSettings {
  if (typeof given === 'string') return { url: given };
  const { passwordFile } = given;
  return { ...given, ...(passwordFile !== undefined && { passwordFile: file(passwordFile) }) };
}

/** `--shared` and `--shared-password-file`, over the settings of the file. @throws {CommandError} */
export function sharedOf(args: ListenArgs, inFile: SharedSettings | undefined): SharedSettings | undefined {
  const url = args.text('shared');
  const passwordFile = fileOption(args, 'shared-password-file');
  const fault = url === undefined ? undefined : faultOf(url);
  if (fault !== undefined) throw usageError(`--shared ${fault}; got "${hideLogin(url ?? '')}"`);
  const given = {
    ...inFile,
    ...(url !== undefined && { url }),
    ...(passwordFile !== undefined && { passwordFile: resolve(passwordFile) }),
  };
  if (given.url !== undefined) return { ...given, url: given.url };
  if (passwordFile !== undefined) throw usageError('--shared-password-file needs --shared');
  return undefined;
}

/** The fault of a URL, without a secret. */
function faultOf(text: string): string | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (
    !url ||
    !/^rediss?:$/.test(url.protocol) ||
    url.hostname === '' ||
    /%(?![\da-f]{2})/i.test(url.username)
  )
    return URL_RULE;
  if (url.password !== '') return PASSWORD_RULE;
  const isPlain = /^(\/\d*)?$/.test(url.pathname) && url.search === '' && url.hash === '';
  return isPlain ? undefined : URL_RULE;
}

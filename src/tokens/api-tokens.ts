import { seconds } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { checkNames } from '../options/checks/names.js';
import { optionError } from '../options/checks/option-error.js';
import type { OptionRef } from '../options/checks/option-path.js';
import { readBody } from './body.js';
import { answerWithin } from './deadline.js';
import { EntryFault, MAX_ENTRY_LENGTH, readEntry } from './entry.js';
import { sourceFailure } from './refusals.js';
import { withTraits, type TokenAnswer, type TokenSource } from './token-types.js';

/** The options of `apiTokens()`. */
export interface ApiTokensOptions {
  /** The URL of an entry, with `%s` in the place of the token: `https://api.lan/tokens/%s`. The token is percent-encoded. */
  url: string;
  /** Headers of the requests, such as `Authorization`. */
  headers?: Record<string, string>;
  /** Seconds for the whole answer. Default 5. */
  timeout?: number;
}

const TIMEOUT = 5;
/** Statuses for a token that does not exist. */
const UNKNOWN: readonly number[] = [404, 410];

const CHECKS = {
  url: (value: unknown, name: OptionRef) => {
    const fault = faultOfUrl(value);
    if (fault !== undefined) fail(name, fault, value);
  },
  headers: (value: unknown, name: OptionRef) => {
    try {
      new Headers(value as Record<string, string>);
    } catch {
      // The message must not contain a value.
      throw optionError(name, 'must be an object of header names and values');
    }
  },
  timeout: seconds(0.05, 30),
};

/**
 * websockify's JSONTokenApi: asks a server for each token. The answer is JSON (`{"host": "desk.lan", "port": 5900}`, and where given
 * `user`, `viewOnly`, `maxDuration`) or the text `host:port`; 404 and 410 mean that the token does not exist.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option.
 */
export function apiTokens(options: ApiTokensOptions): TokenSource {
  // The URL may have a login.
  if (typeof options === 'string') throw optionError('apiTokens()', 'takes an object: write { url: ... }');
  checkNames(options, 'apiTokens()', CHECKS);
  const { url, headers = {}, timeout = TIMEOUT } = options;
  if ((url as string | undefined) === undefined) fail('apiTokens().url', URL_RULE, url);
  return withTraits(
    (token, { signal }) => {
      // The URL parser removes dot segments: the request would be for another resource.
      if (token === '.' || token === '..') return undefined;
      return answerWithin(timeout, signal, 'the API of tokens', (until) => ask(url, headers, token, until));
    },
    { needsTargets: true },
  );
}

const URL_RULE = 'must be an http or https URL with one "%s" for the token, after the host';

/** The fault of a URL; undefined for a valid URL. */
export function faultOfUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.split('%s').length !== 2) return URL_RULE;
  const [one, other] = ['a', 'b'].map((token) => {
    const text = value.replace('%s', token);
    return URL.canParse(text) ? new URL(text) : undefined;
  });
  if (
    !one ||
    !other ||
    !/^https?:$/.test(one.protocol) ||
    one.origin !== other.origin ||
    one.hash !== other.hash
  )
    return URL_RULE;
  if (one.username !== '' || one.password !== '')
    return 'must have no user and password: give the header Authorization';
  return undefined;
}

async function ask(
  url: string,
  headers: Readonly<Record<string, string>>,
  token: string,
  signal: AbortSignal,
): Promise<TokenAnswer | undefined> {
  let response: Response;
  try {
    response = await fetch(
      url.replace('%s', () => encodeURIComponent(token)),
      {
        headers: { Accept: 'application/json, text/plain;q=0.5', ...headers },
        // A redirect would send the token to another server.
        redirect: 'manual',
        signal,
      },
    );
  } catch (error) {
    if (signal.aborted) throw error;
    // The error's cause has the code; the error itself may have the URL.
    const { cause } = error as { cause?: NodeJS.ErrnoException };
    throw sourceFailure('down', `the API of tokens is not reached: ${cause?.code ?? 'the request failed'}`);
  }
  if (response.status !== 200) {
    await response.body?.cancel().catch(() => undefined);
    if (UNKNOWN.includes(response.status)) return undefined;
    throw sourceFailure('wrong', `the API of tokens answered ${response.status}`);
  }
  try {
    const body = await readBody(response, MAX_ENTRY_LENGTH, signal, BODY_FAULTS);
    return readEntry(body.toString('utf8'));
  } catch (error) {
    if (error instanceof EntryFault)
      throw sourceFailure('wrong', `an answer of the API of tokens is invalid: ${error.message}`);
    throw error;
  }
}

const BODY_FAULTS = {
  tooLong: `an answer of the API of tokens has more than ${MAX_ENTRY_LENGTH} bytes`,
  broken: 'the connection to the API of tokens broke within the answer',
};

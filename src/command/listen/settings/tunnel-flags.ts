import { plainMessageOf, TunnelError } from '../../../errors.js';
import { TUNNEL_OPTIONS } from '../../../options/tunnel-options.js';
import { usageError } from '../../command-line/args.js';
import type { ListenArgs, ListenFlag } from './listen-flags.js';
import type { MiddlewareOptions } from '../plan.js';

/** Command-line options that are options of the middleware: the option's name, and the parser of its values. */
export const TUNNEL_FLAGS = {
  allow: ['allow', listOf],
  deny: ['deny', listOf],
  origin: ['origins', originsOf],
  url: ['url', urlsOf],
  balance: ['balance', ([name]) => name],
  ping: ['pingInterval', secondsOf],
  pong: ['pongTimeout', secondsOf],
  idle: ['idleTimeout', secondsOf],
  revalidate: ['revalidate', secondsOf],
} as const satisfies Partial<
  Record<ListenFlag, readonly [keyof MiddlewareOptions, (values: readonly string[]) => unknown]>
>;

/** Parses and checks these options. @throws {CommandError} */
export function tunnelOf(args: ListenArgs): Partial<MiddlewareOptions> {
  const entries = Object.entries(TUNNEL_FLAGS).flatMap(([flag, [option, read]]) => {
    const values = args.list(flag as ListenFlag);
    if (values.length === 0) return [];
    const value = read(values);
    checkOption(() => TUNNEL_OPTIONS[option].check(value, `--${flag}`));
    return [[option, value]];
  });
  return Object.fromEntries(entries) as Partial<MiddlewareOptions>;
}

/** Runs a check of the middleware, and turns its error into an error of the command line. @throws {CommandError} */
export function checkOption(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (error instanceof TunnelError) throw usageError(plainMessageOf(error));
    throw error;
  }
}

/** The values of an option that is comma-separated or repeated. */
export function listOf(values: readonly string[]): string[] {
  return values.flatMap((value) => value.split(',')).map((one) => one.trim());
}

function originsOf(values: readonly string[]): unknown {
  const [first, ...more] = listOf(values);
  return more.length === 0 && (first === '*' || first === 'same') ? first : listOf(values);
}

/** `^` begins a regular expression, as in lighttpd's `=~ "^/vnc"`. */
function urlsOf(values: readonly string[]): unknown {
  return values.map((value) => (value.startsWith('^') ? regExpOf(value) : value));
}

function regExpOf(text: string): RegExp {
  try {
    return new RegExp(text);
  } catch {
    throw usageError(`--url: "${text}" is not a valid regular expression`);
  }
}

/** A number of seconds; any other text is returned unchanged, for the error message. */
export function secondsOf([text = '']: readonly string[]): unknown {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

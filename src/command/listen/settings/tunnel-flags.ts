import { TunnelError } from '../../../errors.js';
import { OPTIONS } from '../../../options/options.js';
import { usageError } from '../../command-line/args.js';
import { optionMessageOf } from '../../exit.js';
import type { ListenArgs, ListenFlag } from './listen-flags.js';
import type { MiddlewareOptions } from '../plan.js';

/** Options of the middleware by the option of the command line, and how its text is read. */
export const TUNNEL_FLAGS = {
  allow: ['allow', listOf],
  deny: ['deny', listOf],
  origin: ['origins', originsOf],
  url: ['url', urlsOf],
  balance: ['balance', ([name]) => name],
  ping: ['pingInterval', secondsOf],
  pong: ['pongTimeout', secondsOf],
  idle: ['idleTimeout', secondsOf],
} as const satisfies Partial<
  Record<ListenFlag, readonly [keyof MiddlewareOptions, (values: readonly string[]) => unknown]>
>;

/** What the command line says of them, checked. */
export function tunnelOf(args: ListenArgs): Partial<MiddlewareOptions> {
  const entries = Object.entries(TUNNEL_FLAGS).flatMap(([flag, [option, read]]) => {
    const values = args.list(flag as ListenFlag);
    if (values.length === 0) return [];
    const value = read(values);
    checkOption(() => OPTIONS[option](value, `--${flag}`));
    return [[option, value]];
  });
  return Object.fromEntries(entries) as Partial<MiddlewareOptions>;
}

/** What the middleware has against a value, as an error of the command line. */
export function checkOption(check: () => unknown): void {
  try {
    check();
  } catch (error) {
    if (error instanceof TunnelError) throw usageError(optionMessageOf(error));
    throw error;
  }
}

/** With commas, or given more than once. */
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

/** What is no number stays the text that was typed, for the message. */
export function secondsOf([text = '']: readonly string[]): unknown {
  return /^\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}

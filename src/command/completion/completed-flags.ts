import { BALANCE_NAMES } from '../../balance/strategies.js';
import type { OptionSpecs } from '../command-line/args.js';
import { CONNECT_OPTIONS } from '../connect/connect-flags.js';
import { described } from '../command-line/help.js';
import { LISTEN_OPTIONS } from '../listen/settings/listen-flags.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const COMMANDS: Readonly<Record<string, string>> = {
  listen: 'open WebSockets and stream their bytes to a target',
  connect: 'the other end: a local port or standard input and output',
  completion: 'print completions for a shell',
};

/** How the value of an option is completed; a switch has none. */
export type Values = 'none' | 'folder' | 'file' | 'text' | readonly string[];

export interface Completed {
  readonly name: string;
  readonly short?: string;
  /** What its value is called. */
  readonly value: string;
  readonly values: Values;
  readonly isMultiple: boolean;
  readonly help: string;
}

export const listenOptions = (): Completed[] => completedOf(LISTEN_OPTIONS);
export const connectOptions = (): Completed[] => completedOf(CONNECT_OPTIONS);

function completedOf(specs: OptionSpecs): Completed[] {
  return described(specs).map(({ value = '', ...one }) => ({
    ...one,
    value,
    values: valuesOf(one.name, value),
    isMultiple: specs[one.name]?.multiple === true,
  }));
}

function valuesOf(name: string, value: string): Values {
  if (value === '') return 'none';
  if (name === 'balance') return BALANCE_NAMES;
  if (value === 'DIR') return 'folder';
  // `--url PATH` is that of a URL.
  return /FILE|PATH/.test(value) && name !== 'url' ? 'file' : 'text';
}

/** `--verbose`, `-v`. */
export function flagsOf({ name, short }: Completed): string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
}

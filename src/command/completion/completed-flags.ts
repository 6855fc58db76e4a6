import { BALANCE_NAMES } from '../../balance/strategies.js';
import type { OptionSpecs } from '../command-line/args.js';
import { CONNECT_FLAGS } from '../connect/connect-flags.js';
import { helpEntries } from '../command-line/help.js';
import { LISTEN_FLAGS } from '../listen/settings/listen-flags.js';
import { FORMATS } from '../play/convert.js';
import { PLAY_FLAGS } from '../play/play-flags.js';

export const SHELLS = ['bash', 'zsh', 'fish'] as const;

export const COMMANDS: Readonly<Record<string, string>> = {
  listen: 'accept WebSockets and stream their bytes to a target',
  connect: 'the client: stream a local port or standard input and output',
  play: 'list, play and convert recordings',
  completion: 'print completions for a shell',
};

/** How the shell completes an option's value; a switch has none. */
export type Values = 'none' | 'folder' | 'file' | 'text' | readonly string[];

export interface CompletedFlag {
  readonly name: string;
  readonly short?: string;
  /** The name of the value in the help. */
  readonly value: string;
  readonly values: Values;
  readonly isMultiple: boolean;
  readonly help: string;
}

export const completedListenFlags = (): CompletedFlag[] => completedOf(LISTEN_FLAGS);
export const completedConnectFlags = (): CompletedFlag[] => completedOf(CONNECT_FLAGS);
export const completedPlayFlags = (): CompletedFlag[] => completedOf(PLAY_FLAGS);

function completedOf(specs: OptionSpecs): CompletedFlag[] {
  return helpEntries(specs).map(({ value = '', ...one }) => ({
    ...one,
    value,
    values: valuesOf(one.name, value),
    isMultiple: specs[one.name]?.multiple === true,
  }));
}

function valuesOf(name: string, value: string): Values {
  if (value === '') return 'none';
  if (name === 'balance') return BALANCE_NAMES;
  if (name === 'workers') return ['auto'];
  if (name === 'to') return FORMATS;
  if (name === 'record-direction') return ['out', 'both'];
  if (name === 'record-when-fails') return ['continue', 'close'];
  if (value === 'DIR') return 'folder';
  // The PATH of `--url` is a URL path.
  return /FILE|PATH/.test(value) && name !== 'url' ? 'file' : 'text';
}

/** `--verbose`, `-v`. */
export function flagsOf({ name, short }: CompletedFlag): string[] {
  return [`--${name}`, ...(short === undefined ? [] : [`-${short}`])];
}

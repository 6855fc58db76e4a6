import { parseArgs } from 'node:util';
import { nearest } from '../../options/checks/nearest.js';
import { CommandError, EXIT } from '../exit.js';

/** An option of the command line. */
export interface OptionSpec {
  /** The name of the value in the help; an option without a value is a switch. */
  readonly value?: string;
  readonly short?: string;
  /** The option may be repeated. */
  readonly multiple?: boolean;
  /** The text in `--help`. Without a text, the option shares the line of the previous option. */
  readonly help?: string;
  /** For `--help all` only, since `--help` must fit a screen of 24 lines. */
  readonly more?: true;
  /** An option of another program: accepted, but neither shown in the help nor suggested. */
  readonly hidden?: true;
}

/** The options by name, without the dashes. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Args<Specs extends OptionSpecs> {
  readonly positionals: readonly string[];
  /** The option's value; of a repeated option, the first value. */
  text(name: keyof Specs & string): string | undefined;
  /** Every value of an option. */
  list(name: keyof Specs & string): readonly string[];
  /** Was the option given? */
  has(name: keyof Specs & string): boolean;
}

/**
 * Parses a command line. `otherPlace` says where else an option that is not in `specs` can be set.
 *
 * @throws {CommandError} for an unknown option, or a missing, unexpected or repeated value
 */
export function readArgs<const Specs extends OptionSpecs>(
  args: readonly string[],
  specs: Specs,
  otherPlace: (name: string) => string | undefined = () => undefined,
): Args<Specs> {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
    ]),
  );
  // Not strict, since Node's messages are long and suggest no similar name.
  const { tokens } = parseArgs({
    args: [...args],
    options,
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const positionals: string[] = [];
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value);
    if (token.kind !== 'option') continue;
    const { name, rawName, value, inlineValue } = token;
    const spec = Object.hasOwn(specs, name) ? specs[name] : undefined;
    if (!spec) throw unknownOption(rawName, shownNames(specs), otherPlace(name));
    checkValue(spec, rawName, value, inlineValue);
    const values = given.get(name) ?? [];
    if (values.length > 0 && !spec.multiple) throw usageError(`${rawName} may be given only once`);
    given.set(name, [...values, value ?? '']);
  }
  return {
    positionals,
    text: (name) => given.get(name)?.[0],
    list: (name) => given.get(name) ?? [],
    has: (name) => given.has(name),
  };
}

/** The error for an invalid command line. */
export function usageError(message: string): CommandError {
  return new CommandError(EXIT.usage, `${message} (see --help)`);
}

function unknownOption(rawName: string, known: readonly string[], place: string | undefined): CommandError {
  if (place !== undefined) return usageError(`there is no option ${rawName}: ${place}`);
  const near = nearest(rawName.replace(/^-+/, ''), known);
  return usageError(`there is no option ${rawName}${near === undefined ? '' : `; did you mean --${near}?`}`);
}

function shownNames(specs: OptionSpecs): string[] {
  return Object.keys(specs).filter((name) => specs[name]?.hidden !== true);
}

function checkValue(
  { value: needed }: OptionSpec,
  rawName: string,
  value: string | undefined,
  inlineValue: boolean | undefined,
): void {
  if (needed === undefined) {
    if (value !== undefined) throw usageError(`${rawName} takes no value`);
    return;
  }
  // In `--web --cert x` the value is missing. A value that begins with a dash is written `--web=-x`.
  if (value !== undefined && value !== '' && (inlineValue === true || !/^-./.test(value))) return;
  const hint = /^-\d/.test(value ?? '') ? `, not "${value ?? ''}"` : '';
  throw usageError(`${rawName} needs a value: ${needed}${hint}`);
}

/** The lines of the help: options that share a line, with the text of the line. Hidden options are omitted. */
export function helpGroups(specs: OptionSpecs): { names: string[]; help: string; more: boolean }[] {
  const groups: { names: string[]; help: string; more: boolean }[] = [];
  for (const [name, { help, more = false, hidden }] of Object.entries(specs)) {
    if (hidden) continue;
    const last = groups.at(-1);
    if (help === undefined && last) last.names.push(name);
    else groups.push({ names: [name], help: help ?? '', more });
  }
  return groups;
}

/** The formatted lines of the help. `all`: including the options marked `more`. */
export function helpLines(specs: OptionSpecs, all: boolean): string[] {
  const rows = helpGroups(specs)
    .filter(({ more }) => all || !more)
    .map(({ names, help }) => ({ left: names.map((name) => shownFlag(name, specs[name])).join(', '), help }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`);
}

/** An option as in the help: `-v, --verbose`, `--web DIR`. */
function shownFlag(name: string, { short, value }: OptionSpec = {}): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

/** `--help all` shows every option, `--help` the common ones. */
export function wantsFullHelp(given: Args<OptionSpecs>): boolean {
  return given.positionals.at(-1) === 'all';
}

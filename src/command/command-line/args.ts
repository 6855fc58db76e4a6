import { parseArgs } from 'node:util';
import { nearest } from '../../options/nearest.js';
import { CommandError, EXIT } from '../exit.js';

/** An option of the command line. */
export interface OptionSpec {
  /** What its value is called in the help; without one it is a switch. */
  readonly value?: string;
  readonly short?: string;
  /** May be given more than once. */
  readonly multiple?: boolean;
  /** For `--help`. Left out, the option shares the line of the one before it. */
  readonly help?: string;
  /** Its line is in `--help all` only: `--help` fits a screen of 24 lines. */
  readonly more?: true;
  /** Another program's name for something here: understood, and neither in the help nor recommended. */
  readonly hidden?: true;
}

/** The options by name, without the dashes. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

export interface Args<Specs extends OptionSpecs> {
  readonly positionals: readonly string[];
  /** The value of an option that was given at most once; of one that may be repeated, the first. */
  text(name: keyof Specs & string): string | undefined;
  /** Every value of an option. */
  list(name: keyof Specs & string): readonly string[];
  /** Was it given? */
  has(name: keyof Specs & string): boolean;
}

/** Reads a command line; what is wrong with it is a {@link CommandError} for the user. */
export function readArgs<const Specs extends OptionSpecs>(
  args: readonly string[],
  specs: Specs,
): Args<Specs> {
  const options = Object.fromEntries(
    Object.entries(specs).map(([name, { value, short }]) => [
      name,
      { type: value === undefined ? ('boolean' as const) : ('string' as const), ...(short && { short }) },
    ]),
  );
  // Not strict: Node's own messages are long, and know no nearest name.
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
    if (!spec) throw unknownOption(rawName, shownNames(specs));
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

/** A wrong command line. */
export function usageError(message: string): CommandError {
  return new CommandError(EXIT.usage, `${message} (see --help)`);
}

function unknownOption(rawName: string, known: readonly string[]): CommandError {
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
  // `--web --cert x`: the value was forgotten. One that does begin with a dash is written `--web=-x`.
  if (value === undefined || value === '' || (inlineValue !== true && /^-./.test(value)))
    throw usageError(`${rawName} needs a value: ${needed}`);
}

/** The options that share a line of the help, and its text. Names of other programs are left out. */
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

/** The lines of a help: names, values, and what they do. `all`: the lines of options with `more` too. */
export function helpLines(specs: OptionSpecs, all: boolean): string[] {
  const rows = helpGroups(specs)
    .filter(({ more }) => all || !more)
    .map(({ names, help }) => ({ left: names.map((name) => shownFlag(name, specs[name])).join(', '), help }));
  const width = Math.max(...rows.map(({ left }) => left.length));
  return rows.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`);
}

/** `-v, --verbose`, `--web DIR`. */
function shownFlag(name: string, { short, value }: OptionSpec = {}): string {
  return `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
}

/** Which help is asked for: `--help` has the common options, `--help all` every one. */
export function wantsFullHelp(given: Args<OptionSpecs>): boolean {
  return given.positionals.at(-1) === 'all';
}

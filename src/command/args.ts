import { parseArgs } from 'node:util';
import { nearest } from '../helpers/nearest.js';
import { CommandError, EXIT } from './exit.js';

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
    if (!spec) throw unknownOption(rawName, Object.keys(specs));
    checkValue(spec, rawName, value, inlineValue);
    const values = given.get(name) ?? [];
    if (values.length > 0 && !spec.multiple) throw usage(`${rawName} may be given only once`);
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
export function usage(message: string): CommandError {
  return new CommandError(EXIT.usage, `${message} (see --help)`);
}

function unknownOption(rawName: string, known: readonly string[]): CommandError {
  const near = nearest(rawName.replace(/^-+/, ''), known);
  return usage(`there is no option ${rawName}${near === undefined ? '' : `; did you mean --${near}?`}`);
}

function checkValue(
  { value: needed }: OptionSpec,
  rawName: string,
  value: string | undefined,
  inlineValue: boolean | undefined,
): void {
  if (needed === undefined) {
    if (value !== undefined) throw usage(`${rawName} takes no value`);
    return;
  }
  // `--web --cert x`: the value was forgotten. One that does begin with a dash is written `--web=-x`.
  if (value === undefined || value === '' || (inlineValue !== true && /^-./.test(value)))
    throw usage(`${rawName} needs a value: ${needed}`);
}

/** The lines of a help: names, values, and what they do. `all`: the lines of options with `more` too. */
export function helpLines(specs: OptionSpecs, all: boolean): string[] {
  const rows: { left: string; help: string; more: boolean }[] = [];
  for (const [name, { value, short, help, more = false }] of Object.entries(specs)) {
    const names = `${short === undefined ? '' : `-${short}, `}--${name}${value === undefined ? '' : ` ${value}`}`;
    const last = rows.at(-1);
    if (help === undefined && last) last.left += `, ${names}`;
    else rows.push({ left: names, help: help ?? '', more });
  }
  const shown = rows.filter(({ more }) => all || !more);
  const width = Math.max(...shown.map(({ left }) => left.length));
  return shown.map(({ left, help }) => `  ${left.padEnd(width)}  ${help}`);
}

/** Which help is asked for: `--help` has the common options, `--help all` every one. */
export function wantsAll(given: Args<OptionSpecs>): boolean {
  return given.positionals.at(-1) === 'all';
}

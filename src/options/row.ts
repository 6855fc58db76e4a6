import { checkBoolean, checkFunction, oneOf, seconds, wholeNumber } from './checks/basic.js';
import type { Check } from './checks/fail.js';

/**
 * One option: the check and the default. The type and the description of an option are in the interface of options
 * (src/types.ts), the reason for a default is in a comment beside the row.
 */
export interface Row<Default = unknown> {
  readonly check: Check;
  /** Undefined if the option may stay unset. */
  readonly default: Default;
}

/** A row for each option of an interface, and no other rows: otherwise `{ ... } satisfies Rows<Host>` does not compile. */
export type Rows<Options> = { readonly [Name in keyof Options]-?: Row<Options[Name] | undefined> };

type Table = Readonly<Record<string, Row>>;

/** The names of the options with a default. */
type WithDefault<T extends Table> = {
  [Name in keyof T]: undefined extends T[Name]['default'] ? never : Name;
}[keyof T];

/** Options whose defaults have been filled in. Options without a default may still be missing. */
export type Filled<Options, T extends Table> = Readonly<
  Omit<Options, WithDefault<T>> & Required<Pick<Options, WithDefault<T> & keyof Options>>
>;

/** A row with a specific check. */
export function row(check: Check): Row<undefined>;
export function row<const Default>(check: Check, value: Default): Row<Default>;
export function row(check: Check, value?: unknown): Row {
  return { check, default: value };
}

/** Rows of the common kinds. The last parameter is the default. */
export const secondsRow = <Default extends number | undefined = undefined>(
  least: number,
  most: number,
  value?: Default,
): Row<Default> => ({ check: seconds(least, most), default: value as Default });

export const numberRow = <Default extends number | undefined = undefined>(
  least: number,
  most: number,
  value?: Default,
): Row<Default> => ({ check: wholeNumber(least, most), default: value as Default });

export const booleanRow = (value: boolean): Row<boolean> => row(checkBoolean, value);

export const functionRow = (): Row<undefined> => row(checkFunction);

export const wordRow = <const Word extends string>(words: readonly Word[], value: NoInfer<Word>): Row<Word> =>
  row<Word>(oneOf(words), value);

/** The checks of all rows by option name. */
export function checksOf<T extends Table>(table: T): Readonly<Record<keyof T, Check>> {
  const entries = Object.entries(table).map(([name, { check }]) => [name, check]);
  return Object.fromEntries(entries) as Record<keyof T, Check>;
}

/** The defaults of all rows; undefined for options without a default. */
export function defaultsOf<T extends Table>(table: T): { readonly [Name in keyof T]: T[Name]['default'] } {
  const entries = Object.entries(table).map(([name, { default: value }]) => [name, value]);
  return Object.fromEntries(entries) as { [Name in keyof T]: T[Name]['default'] };
}

/** The given options, and the defaults for all other options. The given options must have been checked. */
export function fill<Options extends object, T extends Table>(given: Options, table: T): Filled<Options, T> {
  const values = Object.entries(table).map(([name, { default: value }]) => {
    return [name, (given as Record<string, unknown>)[name] ?? value] as const;
  });
  return Object.fromEntries(values.filter(([, value]) => value !== undefined)) as Filled<Options, T>;
}

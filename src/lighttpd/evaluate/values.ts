import { failAt, stopAt, type Place } from '../syntax/source.js';

/** The value of an expression. Never mutated, since variables share it. */
export type Value = Place &
  (
    | { readonly kind: 'string'; readonly text: string }
    | { readonly kind: 'number'; readonly number: number }
    | { readonly kind: 'list'; readonly entries: readonly ValueEntry[] }
  );

export interface ValueEntry {
  readonly key?: string;
  readonly value: Value;
}

/** Without limits, a few lines such as `a += a` would fill the memory. */
const MAX_TEXT = 64 * 1024;
const MAX_ENTRIES = 10_000;

/** lighttpd compares names and keys without case (`array_keycmp` in src/array.c). */
export function foldCase(name: string): string {
  return name.toLowerCase();
}

/** `+` and `+=`: `configparser_merge_data` in src/configparser.y. The sum has the place of its second operand. */
export function addValues(left: Value, right: Value): Value {
  const { source, offset } = right;
  const place = { source, offset };
  if (left.kind === 'list' && right.kind === 'list')
    return listValue(place, [...left.entries, ...right.entries]);
  if (left.kind === 'list' || right.kind === 'list')
    return failAt(right, `a ${left.kind} and a ${right.kind} can't be added`);
  if (left.kind === 'number' && right.kind === 'number')
    return { ...place, kind: 'number', number: left.number + right.number };
  const text = textOf(left) + textOf(right);
  if (text.length > MAX_TEXT) stopAt(right, `this string has more than ${MAX_TEXT} characters`);
  return { ...place, kind: 'string', text };
}

/** A list, after a check of its size and for duplicate keys. A repeated key with the same plain value counts once. */
export function listValue(place: Place, entries: readonly ValueEntry[]): Value {
  if (entries.length > MAX_ENTRIES) stopAt(place, `this list has more than ${MAX_ENTRIES} entries`);
  const seen = new Map<string, Value>();
  const kept = entries.filter(({ key, value }) => {
    if (key === undefined) return true;
    const other = seen.get(foldCase(key));
    if (other && !isSame(other, value)) failAt(value, `the key "${key}" appears twice in this list`);
    seen.set(foldCase(key), value);
    return other === undefined;
  });
  return { ...place, kind: 'list', entries: kept };
}

/** The text of a string, or the digits of a number. */
export function textOf(value: Value): string {
  if (value.kind === 'list') return failAt(value, 'expected a string, found a list');
  return value.kind === 'number' ? String(value.number) : value.text;
}

function isSame(one: Value, other: Value): boolean {
  return one.kind !== 'list' && one.kind === other.kind && textOf(one) === textOf(other);
}

import { failAt, type Place } from '../syntax/source.js';
import { textOf, type ValueEntry, type Value } from './values.js';

// The allowed types of a directive's value: `config_plugin_values_init_block` in lighttpd's src/configfile-glue.c.

type KeyedEntry = Required<ValueEntry>;

export function readStringValue(value: Value, name: string): string {
  if (value.kind !== 'string') return failAt(value, `${name} must be a string`);
  return value.text;
}

/** A number, or a string of digits. */
export function readNumberValue(value: Value, name: string, most = 0x7fffffff): number {
  const text = value.kind === 'list' ? '' : textOf(value).trim();
  if (!/^\+?\d{1,10}$/.test(text) || Number(text) > most)
    failAt(value, `${name} must be a whole number from 0 to ${most}`);
  return Number(text);
}

const SWITCH: Readonly<Record<string, boolean>> = {
  ...{ enable: true, enabled: true, true: true, '1': true },
  ...{ disable: false, disabled: false, false: false, '0': false },
};

export function readSwitchValue(value: Value, name: string): boolean {
  if (value.kind === 'number') return value.number !== 0;
  const word = value.kind === 'string' ? value.text.toLowerCase() : '';
  const on = Object.hasOwn(SWITCH, word) ? SWITCH[word] : undefined;
  return on ?? failAt(value, `${name} must be "enable" or "disable"`);
}

/** A list of strings without keys. */
export function readStringList(value: Value, name: string): { text: string; place: Place }[] {
  const fail = (place: Value) => failAt(place, `${name} must be a list of strings: ( "...", "..." )`);
  if (value.kind !== 'list') return fail(value);
  return value.entries.map(({ key, value: one }) => {
    if (key !== undefined || one.kind !== 'string') return fail(one);
    return { text: one.text, place: one };
  });
}

/** A list with a key for each value. `shape` is an example for the message. */
export function readKeyedList(value: Value, name: string, shape: string): KeyedEntry[] {
  const fail = (place: Value) => failAt(place, `${name} must look like ${shape}`);
  if (value.kind !== 'list') return fail(value);
  return value.entries.map(({ key, value: one }) => (key === undefined ? fail(one) : { key, value: one }));
}

/** A JavaScript object moves whole-number keys before its other keys, but the order matters: the first match wins. */
export function checkKeyOrder(entries: readonly KeyedEntry[], name: string): void {
  const odd = entries.length > 1 ? entries.find(({ key }) => /^(0|[1-9]\d*)$/.test(key)) : undefined;
  if (odd)
    failAt(
      odd.value,
      `${name}: a key of digits alone can't keep its position among other keys: choose another key`,
    );
}

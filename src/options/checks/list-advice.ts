import { inspect } from 'node:util';
import { MAX_SHOWN } from './fail.js';

/**
 * Advice for a text, or several texts with commas, in the place of a list: the list to write. Empty if one of the texts is
 * invalid: the advised list must be valid. `entriesOf` gives the valid entries for a text; none for an invalid text.
 */
export function listAdvice(value: unknown, entriesOf: (text: string) => readonly string[]): string {
  if (typeof value !== 'string' || value.length > MAX_SHOWN) return '';
  const entries = value.split(',').map((text) => entriesOf(text.trim()));
  if (entries.some(({ length }) => length === 0)) return '';
  return `; write ${inspect(entries.flat(), { breakLength: Infinity })}`;
}

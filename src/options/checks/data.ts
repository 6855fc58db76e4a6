import { types } from 'node:util';
import { fail } from './fail.js';
import { OptionPath, type OptionRef } from './option-path.js';

/** Limit of nested values; more levels are most likely an object that contains itself. */
const MOST_NESTED = 10;

/** Checks that a value can be sent to another process as JSON without a loss. `why` ends the message. */
export function checkData(value: unknown, name: OptionRef, why: string, depth = 0): void {
  const path = OptionPath.of(name);
  switch (typeof value) {
    case 'string':
    case 'boolean':
    case 'undefined':
      return;
    case 'number':
      if (Number.isFinite(value)) return;
      break;
    case 'object':
      if (value === null) return;
      if (ArrayBuffer.isView(value) || types.isAnyArrayBuffer(value))
        fail(path, `must be text in place of bytes, ${why}`, value);
      if (depth >= MOST_NESTED)
        fail(path, `must be nested less than ${MOST_NESTED} levels deep, ${why}`, value);
      if (Array.isArray(value)) {
        for (const [index, one] of value.entries()) checkData(one, path.item(index), why, depth + 1);
        return;
      }
      if (!isPlain(value)) break;
      for (const [key, one] of Object.entries(value)) checkData(one, path.key(key), why, depth + 1);
      return;
    default:
  }
  fail(path, `must be data, ${why}`, value);
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || prototype === Object.prototype;
}

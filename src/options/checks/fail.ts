import { inspect } from 'node:util';
import { hideLogin } from '../../helpers/hide-login.js';
import { optionError } from './option-error.js';
import type { OptionRef } from './option-path.js';

/** Checks the value of the option with this name; throws {@link TunnelError} WSTUNNEL_OPTION. */
export type Check = (value: unknown, name: OptionRef) => void;

/** The longest part of an invalid value in a message. */
export const MAX_SHOWN = 80;

/** Throws an error with the option's name, the requirement, and the given value. */
export function fail(name: OptionRef, must: string, value: unknown, hint = ''): never {
  throw optionError(name, `${must}; got ${shown(value)}${hint}`);
}

/**
 * An invalid value on one line, shortened. Of an object only the names are shown, since the values may be keys and passwords; a
 * URL is shown without a login.
 */
function shown(value: unknown): string {
  const isList = Array.isArray(value);
  const text =
    typeof value === 'object' && value !== null && !isList && !(value instanceof RegExp)
      ? `{ ${Object.keys(value).join(', ')} }`
      : inspect(isList ? value.map(withoutLogin) : withoutLogin(value), {
          depth: isList ? 0 : -1,
          breakLength: Infinity,
          maxArrayLength: 3,
        });
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text;
}

function withoutLogin(value: unknown): unknown {
  return typeof value === 'string' ? hideLogin(value) : value;
}

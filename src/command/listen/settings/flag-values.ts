import { resolve } from 'node:path';
import { hideLogin } from '../../../helpers/hide-login.js';
import { wholeNumber } from '../../../options/checks/basic.js';
import type { Check } from '../../../options/checks/fail.js';
import { usageError } from '../../command-line/args.js';
import { CONNECTIONS_CEILING } from '../server/connection-limit.js';
import { countOf, isWorkers, WORKERS_RULE } from './workers.js';
import type { ListenArgs, ListenFlag } from './listen-flags.js';
import { checkOption, listOf, secondsOf } from './tunnel-flags.js';

/** The values of a repeatable option; undefined if the option is missing. @throws {CommandError} for an invalid value */
export function checkedList(
  args: ListenArgs,
  name: ListenFlag,
  isValid: (text: string) => boolean,
  rule: string,
): readonly string[] | undefined {
  if (!args.has(name)) return undefined;
  const values = listOf(args.list(name));
  const wrong = values.find((one) => !isValid(one));
  if (wrong !== undefined) throw usageError(`--${name} ${rule}; got "${hideLogin(wrong)}"`);
  return values;
}

/** The value of `--max-connections`. @throws {CommandError} */
export function maxConnectionsOf(args: ListenArgs): number | undefined {
  const text = args.text('max-connections');
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : text;
  checkOption(() => wholeNumber(1, CONNECTIONS_CEILING)(value, '--max-connections'));
  return Number(text);
}

/** The value of `--workers`. @throws {CommandError} */
export function workersOf(args: ListenArgs): number | undefined {
  const text = args.text('workers');
  if (text === undefined) return undefined;
  const value = /^\d+$/.test(text) ? Number(text) : text;
  if (!isWorkers(value)) throw usageError(`--workers ${WORKERS_RULE}; got "${text}"`);
  return countOf(value);
}

/** An option in seconds. @throws {CommandError} */
export function secondsOption(args: ListenArgs, name: ListenFlag, check: Check): number | undefined {
  const text = args.text(name);
  if (text === undefined) return undefined;
  checkOption(() => check(secondsOf([text]), `--${name}`));
  return Number(text);
}

/** The absolute path of a file option; `-` is standard output. */
export function fileOption(args: ListenArgs, name: ListenFlag): string | undefined {
  const text = args.text(name);
  return text === undefined || text === '-' ? text : resolve(text);
}

import { checkBoolean, checkText, oneOf, wholeNumber } from '../../../../options/checks/basic.js';
import type { Check } from '../../../../options/checks/fail.js';
import { checkNames } from '../../../../options/checks/names.js';
import { unknownKeyError } from '../../../../options/checks/option-error.js';
import { OptionPath } from '../../../../options/checks/option-path.js';
import { usageError } from '../../../command-line/args.js';
import type { ListenArgs } from '../../settings/listen-flags.js';
import { checkOption } from '../../settings/tunnel-flags.js';

/** Settings of noVNC's page, by noVNC's names. */
export type NovncSettings = Readonly<Record<string, string | number | boolean>>;

/** The longest `reconnect_delay`, in milliseconds: an hour. */
const MAX_DELAY = 3_600_000;

/**
 * The settings of noVNC 1.3 to 1.7 (docs/EMBEDDING.md), without `host`, `port` and `encrypt`, which the page takes from its own
 * URL, and without `password`: every client that may load the page would get the password.
 */
const SETTINGS = {
  autoconnect: checkBoolean,
  bell: oneOf(['on', 'off']),
  compression: wholeNumber(0, 9),
  keep_device_awake: checkBoolean,
  logging: oneOf(['error', 'warn', 'info', 'debug']),
  path: checkText,
  quality: wholeNumber(0, 9),
  reconnect: checkBoolean,
  reconnect_delay: wholeNumber(0, MAX_DELAY),
  repeaterID: checkText,
  resize: oneOf(['off', 'scale', 'remote']),
  shared: checkBoolean,
  show_dot: checkBoolean,
  view_clip: checkBoolean,
  view_only: checkBoolean,
} as const satisfies Readonly<Record<string, Check>>;

const TEXTS: ReadonlySet<string> = new Set(
  Object.entries(SETTINGS).flatMap(([name, check]) => (check === checkText ? [name] : [])),
);

/** Settings of noVNC that the command does not set, and the reason. */
const LEFT_OUT: Readonly<Record<string, string>> = {
  password: 'every client that may load the page would get the password',
  host: 'the page connects to the host of its own URL',
  port: 'the page connects to the port of its own URL',
  encrypt: 'the page encrypts if its own URL begins with https:',
};

/** Checks the option `novnc` of a JSON file. */
export const checkNovnc: Check = (value, name) => {
  const left = Object.keys(value ?? {}).find((key) => Object.hasOwn(LEFT_OUT, key));
  if (left !== undefined)
    throw unknownKeyError(OptionPath.of(name), left, `has no "${left}": ${LEFT_OUT[left] ?? ''}`);
  checkNames(value, name, SETTINGS);
};

/** Reads `--novnc NAME=VALUE`. @throws {CommandError} */
export function novncOf(args: ListenArgs): NovncSettings | undefined {
  if (!args.has('novnc')) return undefined;
  const entries = args.list('novnc').map((text) => {
    const [, name = '', value = ''] = /^([^=]+)=(.+)$/s.exec(text) ?? [];
    if (name === '') throw usageError('--novnc must be NAME=VALUE, such as resize=remote');
    return [name, TEXTS.has(name) ? value : valueOf(value)] as const;
  });
  const settings = Object.fromEntries(entries);
  checkOption(() => checkNovnc(settings, '--novnc'));
  return settings;
}

function valueOf(text: string): string | number | boolean {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^\d+$/.test(text) ? Number(text) : text;
}

import { resolve } from 'node:path';
import { checkText, oneOf, wholeNumber } from '../../../options/checks/basic.js';
import { fail, type Check } from '../../../options/checks/fail.js';
import { checkNames } from '../../../options/checks/names.js';
import { usageError } from '../../command-line/args.js';
import type { RecordSettings } from '../plan.js';
import type { ListenArgs } from './listen-flags.js';
import { checkOption } from './tunnel-flags.js';

const CHECKS = {
  folder: checkText,
  direction: oneOf(['out', 'both']),
  maxBytes: wholeNumber(65_536, Number.MAX_SAFE_INTEGER),
  whenFails: oneOf(['continue', 'close']),
} as const satisfies Readonly<Record<keyof RecordSettings, Check>>;

/** A valid `record` of a JSON file: a folder, or an object. */
export type RecordInJson = string | RecordSettings;

export const checkRecord: Check = (value, name) => {
  if (typeof value === 'string') {
    checkText(value, name);
    return;
  }
  checkNames(value, name, CHECKS);
  if ((value as Partial<RecordSettings>).folder === undefined) fail(name, 'needs a "folder"', value);
};

export function recordOfJson(given: RecordInJson, file: (path: string) => string): RecordSettings {
  const settings = typeof given === 'string' ? { folder: given } : given;
  return { ...settings, folder: file(settings.folder) };
}

/** The options with a value for `--record`. */
const FLAGS = {
  'record-direction': 'direction',
  'record-max-bytes': 'maxBytes',
  'record-when-fails': 'whenFails',
} as const;

/** `--record` and the options for it, over the settings of the file. @throws {CommandError} */
export function recordOf(args: ListenArgs, inFile: RecordSettings | undefined): RecordSettings | undefined {
  const given: Record<string, unknown> = { ...inFile };
  const folder = args.text('record');
  if (folder !== undefined) given.folder = resolve(folder);
  for (const [flag, name] of Object.entries(FLAGS) as [keyof typeof FLAGS, keyof typeof CHECKS][]) {
    const text = args.text(flag);
    if (text === undefined) continue;
    if (given.folder === undefined) throw usageError(`--${flag} needs --record`);
    const value = name === 'maxBytes' && /^\d{1,15}$/.test(text) ? Number(text) : text;
    checkOption(() => CHECKS[name](value, `--${flag}`));
    given[name] = value;
  }
  return given.folder === undefined ? undefined : (given as unknown as RecordSettings);
}

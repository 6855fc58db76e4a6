import { seconds } from '../../../options/checks/basic.js';
import type { Check } from '../../../options/checks/fail.js';
import { CLOSE_OPTIONS } from '../../../tunnel/closing.js';
import { LONGEST_DRAIN, type DrainSettings } from '../../drain.js';
import type { Config } from './config.js';
import { secondsOption } from './flag-values.js';
import type { ListenArgs } from './listen-flags.js';

export const DRAIN_CHECKS = {
  grace: CLOSE_OPTIONS.grace,
  spread: CLOSE_OPTIONS.spread,
  drain: seconds(0, LONGEST_DRAIN),
  linger: seconds(0, LONGEST_DRAIN),
} as const satisfies Readonly<Record<keyof DrainSettings, Check>>;

/** The times after SIGTERM, from the command line, else from the configuration. @throws {CommandError} */
export function drainOf(args: ListenArgs, config: Config | undefined): DrainSettings {
  const names = Object.keys(DRAIN_CHECKS) as (keyof DrainSettings)[];
  const entries = names.flatMap((name) => {
    const value = secondsOption(args, name, DRAIN_CHECKS[name]) ?? config?.[name];
    return value === undefined ? [] : [[name, value]];
  });
  return Object.fromEntries(entries) as DrainSettings;
}

import type { SpawnOptions } from '../types.js';
import { fail, type Check } from './checks/fail.js';
import { checkItems, checkNames } from './checks/names.js';
import { OptionPath, type OptionRef } from './checks/option-path.js';
import { checkArgument, checkVariable, readProgram } from './checks/program.js';
import { checkBoolean } from './checks/basic.js';
import { checksOf, numberRow, row, secondsRow, wordRow, type Rows } from './row.js';

/** Signals that the watcher of a program ignores. */
const SIGNALS = [
  ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'],
  ...['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGWINCH', 'SIGKILL'],
];

/** The options of a host's program, with their defaults. Times in seconds. */
export const SPAWN_OPTIONS = {
  path: row((value, name) => void readProgram(value, name)),
  args: row(listOf(checkArgument), []),
  environment: row(checkEnvironment, {}),
  // lighttpd copies all variables, including the app's passwords and keys. A program needs these variables to run at all.
  copyEnvironment: row(listOf(checkVariable), [
    ...['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL'],
    ...['LANG', 'LC_ALL', 'LC_CTYPE', 'TZ', 'TMPDIR'],
  ] as readonly string[]),
  // lighttpd keeps four processes, for requests of milliseconds. A desktop without viewers only costs memory.
  minProcs: numberRow(0, 1000, 0),
  // lighttpd's default: clients cannot start programs without limit.
  maxProcs: numberRow(1, 1000, 4),
  // lighttpd's default: a desktop is for one client.
  maxLoadPerProc: numberRow(0, 1_000_000, 1),
  // lighttpd's `idle-timeout`: a client that reloads the page finds the same desktop.
  idleTimeout: secondsRow(0, 604_800, 60),
  // lighttpd's `kill-signal`.
  killSignal: wordRow(SIGNALS, 'SIGTERM'),
  // lighttpd's `listen-backlog`.
  listenBacklog: numberRow(1, 65_535, 1024),
  // The default depends on `args` and `environment` (read-spawn.ts).
  handOver: row(checkBoolean),
} as const satisfies Rows<SpawnOptions>;

// A `server` function may return programs for each request: the table is made once.
const CHECKS = checksOf(SPAWN_OPTIONS);

/** The option `spawn` of a host. */
export function checkSpawn(value: unknown, name: OptionRef): void {
  if (process.platform === 'win32')
    fail(
      name,
      'needs process groups, which Windows does not have',
      value,
      '; start the program by other means',
    );
  checkNames(value, name, CHECKS);
  const { minProcs, maxProcs } = SPAWN_OPTIONS;
  const {
    path,
    minProcs: least = minProcs.default,
    maxProcs: most = maxProcs.default,
  } = value as SpawnOptions;
  const at = OptionPath.of(name);
  if ((path as string | undefined) === undefined) fail(at.key('path'), 'is required', undefined);
  if (least > most) fail(at.key('minProcs'), `must not be above maxProcs, ${most}`, least);
}

function checkEnvironment(value: unknown, name: OptionRef): void {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    fail(name, 'must be an object of names and values', Array.isArray(value) ? [] : typeof value);
  const path = OptionPath.of(name);
  for (const [key, text] of Object.entries(value)) {
    checkVariable(key, name);
    // The message omits the value, which may be a password.
    if (typeof text !== 'string' || text.includes('\0'))
      fail(path.key(key), 'must be a string without a NUL', typeof text);
  }
}

function listOf(check: Check): Check {
  return (value, name) => {
    if (!Array.isArray(value)) fail(name, 'must be a list', value);
    checkItems(value as unknown[], name, check);
  };
}

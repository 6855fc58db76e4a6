import { accessSync, constants, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';
import { messageOf } from '../errors.js';
import { keyOf, type Fill, type ResolvedSpawn } from '../backends/host.js';
import {
  fail,
  readBoolean,
  readNames,
  readNumber,
  readOneOf,
  readSeconds,
  readText,
  type Check,
} from './checks.js';
import { isAbstractSocket } from '../sockets/socket-path.js';
import type { Host, SpawnOptions } from '../types.js';
import { DEFAULTS } from './defaults.js';

/** The signals that the watcher beside a program knows to ignore. */
const SIGNALS = [
  ...['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT', 'SIGABRT'],
  ...['SIGUSR1', 'SIGUSR2', 'SIGALRM', 'SIGWINCH', 'SIGKILL'],
];

/** The longest path of a unix socket on every system (macOS: 104 with its end), less our own ending. */
const MAX_SOCKET = 98;

/** Of the folder around them: `/wstunnel-`, six letters, a slash, a number and a `~` follow it, in at most 103 bytes. */
const MAX_FOLDER = 79;

/** A shell passes on no other names. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

// An option without its check does not compile. (Exported for the test of the README's tables.)
export const SPAWN: Readonly<Record<keyof SpawnOptions, Check>> = {
  path: (value, name) => void readProgram(value, name),
  args: (value, name) => readList(value, name, readArgument),
  environment: (value, name) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      fail(name, 'must be an object of names and values', Array.isArray(value) ? [] : typeof value);
    for (const [key, text] of Object.entries(value)) {
      readVariable(key, name);
      // Never with the value: it may be a password.
      if (typeof text !== 'string' || text.includes('\0'))
        fail(`${name}.${key}`, 'must be a string without a NUL', typeof text);
    }
  },
  copyEnvironment: (value, name) => readList(value, name, readVariable),
  minProcs: readNumber(0, 1000),
  maxProcs: readNumber(1, 1000),
  maxLoadPerProc: readNumber(0, 1_000_000),
  idleTimeout: readSeconds(0, 604_800),
  killSignal: readOneOf(SIGNALS),
  listenBacklog: readNumber(1, 65535),
  handOver: readBoolean,
};

export function checkSpawn(value: unknown, name: string): void {
  if (process.platform === 'win32')
    fail(name, 'needs process groups, which Windows has not', value, '; start the program by other means');
  readNames(value, name, SPAWN);
  const { path, minProcs = 0, maxProcs = DEFAULTS.maxProcs } = value as SpawnOptions;
  if ((path as string | undefined) === undefined) fail(`${name}.path`, 'is needed', undefined);
  if (minProcs > maxProcs) fail(`${name}.minProcs`, `must not be above maxProcs, ${maxProcs}`, minProcs);
}

/** Placeholders that have a value: of a host with a port its address, else the path of a socket. */
function placeholdersOf({ port }: Host): RegExp {
  return port === undefined ? /\{socket\}/ : /\{(?:host|port)\}/;
}

/**
 * Fills in the defaults of a host's program. `isMade`: by a `server` function, whose texts may be those of a user, and must
 * not be taken for the app's own.
 */
export function readSpawn(host: Host, name: string, isMade: boolean): { spawn?: ResolvedSpawn } {
  const { spawn, socket, port } = host;
  if (!spawn) return {};
  const { args = [], environment = {}, copyEnvironment = DEFAULTS.copyEnvironment } = spawn;
  const maxProcs = spawn.maxProcs ?? DEFAULTS.maxProcs;
  if (port === undefined && (host.host ?? host.localAddress ?? host.lookup) !== undefined)
    fail(name, 'needs a port where it has an address', host);
  if (port !== undefined && port + maxProcs - 1 > 65535)
    fail(`${name}.port`, `has too few ports above it for ${maxProcs} processes`, port);
  if (socket !== undefined && isAbstractSocket(socket))
    fail(`${name}.socket`, 'must be a path: spawn keeps an abstract socket from no other user', socket);
  if (socket !== undefined && Buffer.byteLength(socket) > MAX_SOCKET)
    fail(`${name}.socket`, `must not be longer than ${MAX_SOCKET} bytes`, socket);
  if (!isMade) checkFolder(tmpdir(), `${name}.spawn`);
  const texts = [...args, ...Object.values(environment)];
  const mayAsk = spawn.handOver !== true;
  if (mayAsk && !isMade) checkPlaceholders(texts, host, name);
  const asking = mayAsk ? texts.filter((text) => placeholdersOf(host).test(text)) : [];
  const isTold = asking.length > 0;
  const isWritten = mayAsk && !isTold && texts.some((text) => names(text, host));
  if (isWritten && maxProcs > 1)
    fail(
      `${name}.spawn`,
      `names the address itself: write ${port === undefined ? '{socket}' : '{port}'}, which is another for each process, or ` +
        'set maxProcs to 1',
      spawn,
    );
  const given = {
    path: readProgram(spawn.path, `${name}.spawn.path`),
    args: Object.freeze([...args]),
    environment: Object.freeze({ ...environment }),
    copyEnvironment: Object.freeze([...copyEnvironment]),
    minProcs: spawn.minProcs ?? DEFAULTS.minProcs,
    maxProcs,
    maxLoadPerProc: spawn.maxLoadPerProc ?? DEFAULTS.maxLoadPerProc,
    idleTimeout: spawn.idleTimeout ?? DEFAULTS.spawnIdleTimeout,
    killSignal: (spawn.killSignal ?? DEFAULTS.killSignal) as NodeJS.Signals,
    listenBacklog: spawn.listenBacklog ?? DEFAULTS.listenBacklog,
    handOver: spawn.handOver ?? !(isTold || isWritten),
    // Where one text asks it is the same either way: such programs share their processes.
    fill: fillOf(isTold, isMade && asking.length > 1),
  };
  const resolved = { ...given, key: keyOf({ ...given, environment: Object.entries(environment).sort() }) };
  // Who prints a host, or `stats()`, does not print the passwords of its program.
  Object.defineProperty(resolved, 'environment', { value: given.environment, enumerable: false });
  return { spawn: Object.freeze(resolved) };
}

/**
 * The sockets of programs are in a folder below this one (`Spawner`). What is known of it now must not be found out by the first
 * visitor: a container with a read-only file system, a TMPDIR that is gone.
 */
function checkFolder(folder: string, name: string): void {
  const must = 'needs a folder for sockets that this process can write to';
  if (Buffer.byteLength(folder) > MAX_FOLDER)
    fail(name, must, folder, ` (its path has more than ${MAX_FOLDER} bytes); set TMPDIR`);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (!statSync(folder).isDirectory()) throw new Error('it is no folder');
  } catch (error) {
    fail(name, must, folder, ` (${messageOf(error)}); set TMPDIR`);
  }
}

function fillOf(isTold: boolean, isFirst: boolean): Fill {
  if (!isTold) return 'none';
  return isFirst ? 'first' : 'all';
}

/** A placeholder without a value is a mistake in the options. */
function checkPlaceholders(texts: readonly string[], host: Host, name: string): void {
  const { port } = host;
  if (port === undefined && texts.some((text) => /\{(host|port)\}/.test(text)))
    fail(name, 'needs a port: spawn asks for {port} or {host}', host);
  if (port !== undefined && texts.some((text) => text.includes('{socket}')))
    fail(name, 'has a port: there is no {socket} for spawn', host);
}

/** As many tunnels as its processes may have; 0 where there is no limit. */
export function capacityOf({ maxProcs, maxLoadPerProc }: ResolvedSpawn): number {
  return maxProcs * maxLoadPerProc;
}

/** Does a text give a host's address as it is? */
function names(text: string, { socket, port }: Host): boolean {
  if (socket !== undefined) return text.includes(socket);
  return port !== undefined && new RegExp(`(?<!\\d)${port}(?!\\d)`).test(text);
}

/** The program's absolute path; it must be there and executable. */
function readProgram(value: unknown, name: string): string {
  readArgument(value, name);
  const path = value as string;
  if (path === '') fail(name, 'must be a program', value);
  if (isAbsolute(path)) {
    if (!isProgram(path)) fail(name, 'must be a program that can be executed', value);
    return path;
  }
  if (path.includes('/')) fail(name, 'must be an absolute path, or a name to look for in PATH', value);
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, path))
    .find(isProgram);
  return found ?? fail(name, 'is not found in PATH', value);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

function readList(value: unknown, name: string, check: Check): void {
  if (!Array.isArray(value)) fail(name, 'must be a list', value);
  for (const [index, one] of value.entries()) check(one, `${name}[${index}]`);
}

function readArgument(value: unknown, name: string): void {
  if (typeof value !== 'string' || value.includes('\0')) fail(name, 'must be a string without a NUL', value);
}

function readVariable(value: unknown, name: string): void {
  readText(value, name);
  if (!VARIABLE.test(value as string))
    fail(name, 'must have names of letters, digits and _, as a shell passes them on', value);
}

import { accessSync, constants, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { messageOf } from '../errors.js';
import { keyOf, type Fill, type ResolvedSpawn } from '../backends/host.js';
import { isAbstractSocket } from '../sockets/socket-path.js';
import type { Host } from '../types.js';
import { fail } from './checks/fail.js';
import type { OptionPath } from './checks/option-path.js';
import { readProgram } from './checks/program.js';
import { fill } from './row.js';
import { SPAWN_OPTIONS } from './spawn-options.js';

/** The longest path of a unix socket on every system (macOS: 104 with the final NUL), minus our suffix. */
const MAX_SOCKET = 98;

/** The longest path of the sockets' parent folder: `/wstunnel-`, six letters, a slash, a number and `~` follow, in 103 bytes. */
const MAX_FOLDER = 79;

/** The placeholders with a value: address and port for a host with a port, the path of a socket for every other host. */
function placeholdersOf({ port }: Host): RegExp {
  return port === undefined ? /\{socket\}/ : /\{(?:host|port)\}/;
}

/**
 * Fills in the defaults of a host's program. `isMade`: a `server` function has returned the host, whose texts may come from a
 * user and must not be mistaken for the app's own texts.
 */
export function resolveSpawn(host: Host, path: OptionPath, isMade: boolean): { spawn?: ResolvedSpawn } {
  const { spawn, socket, port } = host;
  if (!spawn) return {};
  const filled = fill(spawn, SPAWN_OPTIONS);
  const { args, environment, copyEnvironment, maxProcs } = filled;
  if (port === undefined && (host.host ?? host.localAddress ?? host.lookup) !== undefined)
    fail(path, 'needs a port beside its address', host);
  if (port !== undefined && port + maxProcs - 1 > 65535)
    fail(path.key('port'), `has too few ports above it for ${maxProcs} processes`, port);
  if (socket !== undefined && isAbstractSocket(socket))
    fail(
      path.key('socket'),
      'must be a path: spawn cannot keep other users out of an abstract socket',
      socket,
    );
  if (socket !== undefined && Buffer.byteLength(socket) > MAX_SOCKET)
    fail(path.key('socket'), `must not be longer than ${MAX_SOCKET} bytes`, socket);
  if (!isMade) checkFolder(tmpdir(), path.key('spawn'));
  const texts = [...args, ...Object.values(environment)];
  const hasPlaceholders = spawn.handOver !== true;
  if (hasPlaceholders && !isMade) checkPlaceholders(texts, host, path);
  const asking = hasPlaceholders ? texts.filter((text) => placeholdersOf(host).test(text)) : [];
  const isFilledIn = asking.length > 0;
  const isWritten = hasPlaceholders && !isFilledIn && texts.some((text) => namesAddress(text, host));
  if (isWritten && maxProcs > 1)
    fail(
      path.key('spawn'),
      `contains the address itself: write ${port === undefined ? '{socket}' : '{port}'}, which differs for each process, or ` +
        'set maxProcs to 1',
      spawn,
    );
  const settings = {
    ...filled,
    path: readProgram(spawn.path, path.key('spawn').key('path')),
    args: Object.freeze([...args]),
    environment: Object.freeze({ ...environment }),
    copyEnvironment: Object.freeze([...copyEnvironment]),
    killSignal: filled.killSignal as NodeJS.Signals,
    handOver: spawn.handOver ?? !(isFilledIn || isWritten),
    // With a single such text, 'first' and 'all' have the same effect; 'all' lets equal programs share processes.
    fill: fillOf(isFilledIn, isMade && asking.length > 1),
  };
  const key = keyOf({ ...settings, environment: Object.entries(environment).sort() });
  const resolved = { ...settings, key };
  // A host, or `stats()`, may be printed: the passwords in the program's environment must not appear.
  Object.defineProperty(resolved, 'environment', { value: settings.environment, enumerable: false });
  return { spawn: Object.freeze(resolved) };
}

/**
 * The sockets of programs are in a folder below this folder (`Spawner`). The check finds a read-only file system or a missing
 * TMPDIR at creation, not at the first client.
 */
function checkFolder(folder: string, path: OptionPath): void {
  const must = 'needs a folder for sockets that this process can write to';
  if (Buffer.byteLength(folder) > MAX_FOLDER)
    fail(path, must, folder, ` (its path has more than ${MAX_FOLDER} bytes); set TMPDIR`);
  try {
    accessSync(folder, constants.W_OK | constants.X_OK);
    if (!statSync(folder).isDirectory()) throw new Error('it is not a folder');
  } catch (error) {
    fail(path, must, folder, ` (${messageOf(error)}); set TMPDIR`);
  }
}

function fillOf(isFilledIn: boolean, isFirst: boolean): Fill {
  if (!isFilledIn) return 'none';
  return isFirst ? 'first' : 'all';
}

/** Refuses a placeholder without a value: such a placeholder is a mistake in the options. */
function checkPlaceholders(texts: readonly string[], host: Host, path: OptionPath): void {
  const { port } = host;
  if (port === undefined && texts.some((text) => /\{(host|port)\}/.test(text)))
    fail(path, 'needs a port: spawn uses {port} or {host}', host);
  if (port !== undefined && texts.some((text) => text.includes('{socket}')))
    fail(path, 'has a port: spawn cannot use {socket}', host);
}

/** The limit of the tunnels of all processes together; 0 means no limit. */
export function capacityOf({ maxProcs, maxLoadPerProc }: ResolvedSpawn): number {
  return maxProcs * maxLoadPerProc;
}

/** Does a text contain the host's address? */
function namesAddress(text: string, { socket, port }: Host): boolean {
  if (socket !== undefined) return text.includes(socket);
  return port !== undefined && new RegExp(`(?<!\\d)${port}(?!\\d)`).test(text);
}

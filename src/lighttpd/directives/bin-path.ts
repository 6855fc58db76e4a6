import { constants } from 'node:os';
import { HOST } from '../../options/hosts.js';
import type { Host, SpawnOptions } from '../../types.js';
import { readKeyed, readNumber, readText, readTexts } from '../evaluate/value-readers.js';
import { at, failAt } from '../syntax/source.js';
import type { Value } from '../evaluate/values.js';

/** The options of a program that lighttpd starts. Without `bin-path` they mean nothing: there is no program. */
export const SPAWN: Readonly<Record<string, (value: Value, name: string) => unknown>> = {
  'bin-path': readText,
  'bin-environment': readEnvironment,
  'bin-copy-environment': readTexts,
  'min-procs': readNumber,
  'max-procs': readNumber,
  'max-load-per-proc': readNumber,
  'idle-timeout': readNumber,
  'kill-signal': readNumber,
  'listen-backlog': readNumber,
};

/** lighttpd's, with `bin-path` (`gw_set_defaults_backend`). */
const PROCS = 4;

/** What a host with `bin-path` gets besides its address. lighttpd hands the listening socket over as descriptor 0. */
export function readSpawn(options: ReadonlyMap<string, Value>): Partial<Host> {
  const binPath = options.get('bin-path');
  if (!binPath) return {};
  const read = <Result>(name: string, reader: (value: Value, name: string) => Result): Result | undefined => {
    const value = options.get(name);
    return value && reader(value, name);
  };
  // At each blank, as `parse_binpath` does: there are no quotes.
  const [path = '', ...args] = readText(binPath, 'bin-path').split(/[ \t]/);
  const maxProcs = read('max-procs', readNumber) ?? PROCS;
  const minProcs = Math.min(read('min-procs', readNumber) ?? PROCS, maxProcs);
  const copied = read('bin-copy-environment', readTexts)?.map(({ text }) => text);
  const environment = read('bin-environment', readEnvironment);
  const idleTimeout = read('idle-timeout', readNumber);
  const listenBacklog = read('listen-backlog', readNumber);
  const killSignal = read('kill-signal', readSignal);
  const spawn: SpawnOptions = {
    ...{ path, args, minProcs, maxProcs, handOver: true },
    // There the least loaded takes what is too much for all.
    maxLoadPerProc: minProcs === maxProcs ? 0 : (read('max-load-per-proc', readNumber) ?? 1),
    ...(environment && { environment }),
    ...(copied && { copyEnvironment: copied }),
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(listenBacklog !== undefined && { listenBacklog }),
    ...(killSignal !== undefined && { killSignal }),
  };
  at(binPath, () => HOST.spawn(spawn, 'bin-path'));
  return { spawn };
}

function readEnvironment(value: Value, name: string): Record<string, string> {
  const entries = readKeyed(value, name, '( "NAME" => "value" )');
  return Object.fromEntries(entries.map(({ key, value: text }) => [key, readText(text, key)]));
}

/** A number there, a name here. */
function readSignal(value: Value, name: string): string {
  const number = readNumber(value, name);
  const known = Object.entries(constants.signals).find(([, one]) => one === number)?.[0];
  return known ?? failAt(value, `${name}: ${number} is no signal`);
}

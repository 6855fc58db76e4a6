import { constants } from 'node:os';
import { HOST_OPTIONS } from '../../options/host-options.js';
import type { Host, SpawnOptions } from '../../types.js';
import {
  readKeyedList,
  readNumberValue,
  readStringValue,
  readStringList,
} from '../evaluate/value-readers.js';
import { checkAt, failAt } from '../syntax/source.js';
import type { Value } from '../evaluate/values.js';

/** The options of a program that lighttpd starts. Without `bin-path` no program is started, and the options are ignored. */
export const BIN_OPTIONS: Readonly<Record<string, (value: Value, name: string) => unknown>> = {
  'bin-path': readStringValue,
  'bin-environment': readEnvironment,
  'bin-copy-environment': readStringList,
  'min-procs': readNumberValue,
  'max-procs': readNumberValue,
  'max-load-per-proc': readNumberValue,
  'idle-timeout': readNumberValue,
  'kill-signal': readNumberValue,
  'listen-backlog': readNumberValue,
};

/** lighttpd's default for `min-procs` and `max-procs` (`gw_set_defaults_backend`). */
const DEFAULT_PROCS = 4;

/** The option `spawn` of a host with `bin-path`. lighttpd hands the listening socket over as descriptor 0. */
export function readBinPath(options: ReadonlyMap<string, Value>): Partial<Host> {
  const binPath = options.get('bin-path');
  if (!binPath) return {};
  const read = <Result>(name: string, reader: (value: Value, name: string) => Result): Result | undefined => {
    const value = options.get(name);
    return value && reader(value, name);
  };
  // Split at each space or tab, without quoting, as in `parse_binpath`.
  const [path = '', ...args] = readStringValue(binPath, 'bin-path').split(/[ \t]/);
  const maxProcs = read('max-procs', readNumberValue) ?? DEFAULT_PROCS;
  const minProcs = Math.min(read('min-procs', readNumberValue) ?? DEFAULT_PROCS, maxProcs);
  const copied = read('bin-copy-environment', readStringList)?.map(({ text }) => text);
  const environment = read('bin-environment', readEnvironment);
  const idleTimeout = read('idle-timeout', readNumberValue);
  const listenBacklog = read('listen-backlog', readNumberValue);
  const killSignal = read('kill-signal', readSignal);
  const spawn: SpawnOptions = {
    ...{ path, args, minProcs, maxProcs, handOver: true },
    // Once all processes run, lighttpd has no limit: the least loaded process gets the tunnel.
    maxLoadPerProc: minProcs === maxProcs ? 0 : (read('max-load-per-proc', readNumberValue) ?? 1),
    ...(environment && { environment }),
    ...(copied && { copyEnvironment: copied }),
    ...(idleTimeout !== undefined && { idleTimeout }),
    ...(listenBacklog !== undefined && { listenBacklog }),
    ...(killSignal !== undefined && { killSignal }),
  };
  checkAt(binPath, () => HOST_OPTIONS.spawn.check(spawn, 'bin-path'));
  return { spawn };
}

function readEnvironment(value: Value, name: string): Record<string, string> {
  const entries = readKeyedList(value, name, '( "NAME" => "value" )');
  return Object.fromEntries(entries.map(({ key, value: text }) => [key, readStringValue(text, key)]));
}

/** lighttpd expects the number of a signal, Node its name. */
function readSignal(value: Value, name: string): string {
  const number = readNumberValue(value, name);
  const known = Object.entries(constants.signals).find(([, one]) => one === number)?.[0];
  return known ?? failAt(value, `${name}: ${number} is not the number of a signal`);
}

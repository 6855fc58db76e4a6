import type { Host } from '../types.js';
import { readKeyed, readNumber, readText, readTexts } from './readers.js';
import { failAt } from './source.js';
import type { Value } from './values.js';

/** The options of a program that lighttpd starts. Without `bin-path` they mean nothing: there is no program. */
export const SPAWN: Readonly<Record<string, (value: Value, name: string) => unknown>> = {
  'bin-path': readText,
  'bin-environment': (value, name) =>
    readKeyed(value, name, '( "NAME" => "value" )').map(({ key, value: text }) => [key, readText(text, key)]),
  'bin-copy-environment': readTexts,
  'min-procs': readNumber,
  'max-procs': readNumber,
  'max-load-per-proc': readNumber,
  'idle-timeout': readNumber,
  'kill-signal': readNumber,
  'listen-backlog': readNumber,
};

/** What a host with `bin-path` gets besides its address. */
export function readSpawn(options: ReadonlyMap<string, Value>): Partial<Host> {
  const path = options.get('bin-path');
  if (!path) return {};
  return failAt(
    path,
    'bin-path is not supported yet; start the program by yourself (systemd, for one) and leave bin-path out',
  );
}

import createDebug from 'debug';
import { cut, onOneLine } from '../helpers/one-line.js';

/** lighttpd's `wstunnel.debug` levels. */
const LEVEL = { error: 1, warn: 2, info: 3, debug: 4 } as const;

export type Area = 'upgrade' | 'guard' | 'backend' | 'tunnel';
export type Level = keyof typeof LEVEL;

/** Writes one line to `wstunnel:<area>`. Never pass a raw URL, cookie or token: see {@link redactUrl}. */
export interface Log {
  (area: Area, level: Level, format: string, ...values: unknown[]): void;
  /** Is a line of this level printed in any area? A log that prints nothing has no such function. */
  isOn?(level: Level): boolean;
}

/** A log that prints levels up to `threshold`, and all levels of the areas that `DEBUG=wstunnel:*` enables. */
export function createLog(threshold: number): Log {
  const byEnvironment = perArea(() => undefined);
  const forced = perArea((writer) => (writer.enabled = true));
  const writersOf = (level: Level) => (LEVEL[level] <= threshold ? forced : byEnvironment);
  const log: Log = (area, level, format, ...values) => {
    const writer = writersOf(level)[area];
    if (writer.enabled) writer(format, ...values.map(shown));
  };
  log.isOn = (level) => {
    const { upgrade, guard, backend, tunnel } = writersOf(level);
    return upgrade.enabled || guard.enabled || backend.enabled || tunnel.enabled;
  };
  return log;
}

/** Limit of the characters of a value: clients choose URLs and close reasons, of up to 16 KiB. */
const MAX_VALUE = 1000;

function shown(value: unknown): unknown {
  return onOneLine(typeof value === 'string' ? cut(value, MAX_VALUE) : value);
}

function perArea(prepare: (writer: createDebug.Debugger) => void): Record<Area, createDebug.Debugger> {
  const writer = (area: Area) => {
    const made = createDebug(`wstunnel:${area}`);
    prepare(made);
    return made;
  };
  return {
    upgrade: writer('upgrade'),
    guard: writer('guard'),
    backend: writer('backend'),
    tunnel: writer('tunnel'),
  };
}

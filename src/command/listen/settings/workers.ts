import { availableParallelism } from 'node:os';
import type { Host, Rule } from '../../../types.js';
import { usageError } from '../../command-line/args.js';
import type { Plan } from '../plan.js';
import { hostsOf } from './spawned-hosts.js';

/** Upper limit of `--workers`: a higher value is likely a typing error. */
const MOST_WORKERS = 256;

export const WORKERS_RULE = `must be "auto" (one per core) or a whole number from 1 to ${MOST_WORKERS}`;

/** A valid value of the option. */
export type Workers = number | 'auto';

export function isWorkers(value: unknown): value is Workers {
  return value === 'auto' || (Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MOST_WORKERS);
}

export function countOf(workers: Workers): number {
  return workers === 'auto' ? Math.min(MOST_WORKERS, availableParallelism()) : workers;
}

/** Settings that several processes can't share. @throws {CommandError} */
export function requireShareable({ workers, autoExit, tunnel }: Plan): void {
  if (workers === undefined) return;
  const { timeout = 0, idleTimeout = 0, runOnce } = autoExit;
  const ending = runOnce ? '--run-once' : timeout > 0 ? '--timeout' : idleTimeout > 0 ? '--idle-timeout' : '';
  if (ending !== '')
    throw usageError(
      `${ending} can't be combined with --workers: each worker sees only its own tunnels; omit one of them`,
    );
  if (workers > 1 && hasFixedProgram(tunnel))
    throw usageError(
      '--workers: each worker would start the program of "spawn" itself, but its port, socket or "maxProcs": 1 allows one ' +
        'program only; use --workers 1, or omit the port or socket and set a higher "maxProcs"',
    );
}

function hasFixedProgram({
  server,
  rules = [],
  else: otherwise,
}: Pick<Rule, 'server' | 'rules' | 'else'>): boolean {
  return hostsOf(server).some(isFixed) || [...rules, ...(otherwise ? [otherwise] : [])].some(hasFixedProgram);
}

function isFixed({ spawn, port, socket }: Host): boolean {
  return spawn !== undefined && (port !== undefined || socket !== undefined || spawn.maxProcs === 1);
}

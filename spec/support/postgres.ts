import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { onCleanup } from './cleanup.js';

const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql') : [];
const bin = `/usr/lib/postgresql/${versions.at(-1) ?? 'none'}/bin`;
// Debian installs the programs of PostgreSQL outside of PATH.
process.env.PATH = `${process.env.PATH ?? ''}:${bin}`;

/** A new database in a temporary folder, without a login; not started yet. */
export interface Cluster {
  readonly home: string;
  readonly data: string;
  /** Runs a program of PostgreSQL as a user other than root. */
  readonly as: (program: string, args: string[]) => [string, string[]];
}

export function makeCluster(): Cluster {
  const home = mkdtempSync(join(tmpdir(), 'wstunnel-postgres-'));
  onCleanup(() => rmSync(home, { recursive: true, force: true }));
  // PostgreSQL refuses to run as root.
  const isRoot = userInfo().uid === 0;
  const id = (flag: string) => Number(execFileSync('id', [flag, 'postgres']).toString());
  if (isRoot) chownSync(home, id('-u'), id('-g'));
  const as = (program: string, args: string[]): [string, string[]] =>
    isRoot ? ['runuser', ['-u', 'postgres', '--', join(bin, program), ...args]] : [join(bin, program), args];
  const data = join(home, 'data');
  const [initdb, how] = as('initdb', ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync']);
  execFileSync(initdb, how, { stdio: 'pipe', cwd: home });
  return { home, data, as };
}

import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../errors.js';
import type { Host } from '../../types.js';
import { readTarget } from '../address.js';
import { CommandError, EXIT } from '../exit.js';
import { readText, reasonOf } from '../files.js';

/** Targets by digest of their token: what is looked up tells nothing by the time it takes. */
type Targets = ReadonlyMap<string, Host>;

/**
 * websockify's token file: lines `token: host:port`, or a folder of such files. Read anew where it has changed, before the next
 * token is looked up; one that can't be read then leaves the old tokens as they are, one that is gone leaves none.
 */
export class Tokens {
  readonly #path: string;
  readonly #warn: (line: string) => void;
  #stamp: string;
  #targets: Targets;

  /** @throws {CommandError} for a file that is missing or wrong. */
  constructor(path: string, warn: (line: string) => void) {
    this.#path = path;
    this.#warn = warn;
    this.#stamp = stampOf(path);
    this.#targets = readTargets(path);
  }

  find(token: string | null): Host | undefined {
    this.#refresh();
    return token === null ? undefined : this.#targets.get(digestOf(token));
  }

  #refresh(): void {
    let stamp = '';
    try {
      stamp = stampOf(this.#path);
      if (stamp === this.#stamp) return;
      this.#targets = readTargets(this.#path);
    } catch (error) {
      // Told once, not at every request.
      if (stamp === this.#stamp) return;
      if (stamp === '') this.#targets = new Map();
      const rest = stamp === '' ? 'no token is valid' : 'the old tokens hold';
      this.#warn(`${messageOf(error)}; ${rest}`);
    }
    this.#stamp = stamp;
  }
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const entries = readdirSync(path, { withFileTypes: true });
  const files = entries.filter((entry) => !entry.isDirectory() && !entry.name.startsWith('.'));
  return files.map(({ name }) => join(path, name)).sort();
}

/** Another one, where something was written. */
function stampOf(path: string): string {
  try {
    const stats = filesOf(path).map((file) => [file, statSync(file, { bigint: true })] as const);
    return (
      stats.map(([file, { ino, size, mtimeNs }]) => `${file} ${ino} ${size} ${mtimeNs}`).join('\n') || 'empty'
    );
  } catch (error) {
    throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
  }
}

function readTargets(path: string): Targets {
  const targets = new Map<string, Host>();
  for (const file of filesOf(path))
    for (const [index, line] of readText(file).split(/\r?\n/).entries()) {
      if (/^\s*(#|$)/.test(line)) continue;
      const [, token = '', target = ''] = /^\s*(\S+?):\s+(\S+)\s*$/.exec(line) ?? [];
      const host = readTarget(target);
      // Never the line itself: the token is in it.
      if (!host) throw new CommandError(EXIT.config, `${file}:${index + 1}: a line is "token: HOST:PORT"`);
      const digest = digestOf(token);
      if (targets.has(digest))
        throw new CommandError(EXIT.config, `${file}:${index + 1}: this token is there twice`);
      targets.set(digest, host);
    }
  return targets;
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

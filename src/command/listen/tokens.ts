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
  #told = '';

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
      this.#told = '';
    } catch (error) {
      if (stamp === '') this.#targets = new Map();
      this.#tellOnce(`${messageOf(error)}; ${stamp === '' ? 'no token is valid' : 'the old tokens hold'}`);
      // What is wrong stays so until it is written anew; what could not be read (no descriptors left) may be right.
      if (error instanceof CommandError && error.cause !== undefined) stamp = '';
    }
    this.#stamp = stamp;
  }

  /** Not at every request. */
  #tellOnce(line: string): void {
    if (line !== this.#told) this.#warn(line);
    this.#told = line;
  }
}

function filesOf(path: string): string[] {
  if (!statSync(path).isDirectory()) return [path];
  const names = readdirSync(path).filter((name) => !name.startsWith('.'));
  const files = names.map((name) => join(path, name));
  // Links count as what they lead to; one that leads nowhere, or a file that was just removed, is none.
  return files.filter((file) => statSync(file, { throwIfNoEntry: false })?.isFile()).sort();
}

/** Another one, where something was written, or the permission was given: chmod changes only the ctime. */
function stampOf(path: string): string {
  try {
    const stats = filesOf(path).map((file) => [file, statSync(file, { bigint: true })] as const);
    return (
      stats.map(([file, { ino, size, ctimeNs }]) => `${file} ${ino} ${size} ${ctimeNs}`).join('\n') || 'empty'
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

import { createHash } from 'node:crypto';
import { stat } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Host } from '../../types.js';
import { readTarget } from '../address.js';
import { CommandError, EXIT } from '../exit.js';
import { loadText } from '../files.js';

/** A line of a token file. */
export interface Entry {
  /** Of the token. */
  readonly digest: string;
  readonly host: Host;
  /** Counted from 1. */
  readonly line: number;
}

/** What a path leads to; the stamp is another one where something was written. */
export interface Stamp {
  readonly isFolder: boolean;
  readonly text: string;
}

/** Lines that are read before tunnels get a turn. */
const LINES_PER_TURN = 2000;

/**
 * Milliseconds for which a file counts as still being written: of two changes within one tick of the kernel's clock the second
 * leaves no trace.
 */
const FRESH = 50;

const statLater = promisify(stat);

/** Undefined where there is no file and no folder, or it can't be seen. A link counts as what it leads to. */
export async function stampOf(path: string): Promise<Stamp | undefined> {
  try {
    const stats = await statLater(path, { bigint: true });
    if (!stats.isFile() && !stats.isDirectory()) return undefined;
    // chmod, which may give the permission, changes only the ctime.
    const { ino, size, ctimeNs, ctimeMs } = stats;
    const age = Date.now() - Number(ctimeMs);
    const isFresh = age >= 0 && age < FRESH;
    return { isFolder: stats.isDirectory(), text: isFresh ? '' : `${ino} ${size} ${ctimeNs}` };
  } catch {
    return undefined;
  }
}

/** The paths in a folder that may be token files. */
export async function pathsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !name.startsWith('.')).map((name) => join(folder, name));
}

/** @throws {CommandError} for a file that can't be read, with a cause, or that is wrong. */
export async function readEntries(file: string): Promise<Entry[]> {
  const entries = new Map<string, Entry>();
  for (const [index, text] of (await loadText(file)).split(/\r?\n/).entries()) {
    const line = index + 1;
    if (line % LINES_PER_TURN === 0) await nextTurn();
    if (/^\s*(#|$)/.test(text)) continue;
    const [, token = '', target = ''] = /^\s*(\S+?):\s+(\S+)\s*$/.exec(text) ?? [];
    const host = readTarget(target);
    // Never the line itself: the token is in it.
    if (!host) throw new CommandError(EXIT.config, `${file}:${line}: a line is "token: HOST:PORT"`);
    const digest = digestOf(token);
    if (entries.has(digest)) throw isThereTwice(file, line);
    entries.set(digest, { digest, host, line });
  }
  return [...entries.values()];
}

export function isThereTwice(file: string, line: number): CommandError {
  return new CommandError(EXIT.config, `${file}:${line}: this token is there twice`);
}

export function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

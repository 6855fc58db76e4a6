import { createHash } from 'node:crypto';
import { stat } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { promisify } from 'node:util';
import { parseBackend } from '../../options/checks/target-text.js';
import type { Host } from '../../types.js';
import { readTokenText } from './file-fault.js';

/** A valid line of a token file. */
export interface TokenLine {
  /** The digest of the token. */
  readonly digest: string;
  readonly host: Host;
  /** Counted from 1. */
  readonly line: number;
}

/** The lines of a file. An invalid line does not affect the other lines. */
export interface TokenLines {
  readonly entries: readonly TokenLine[];
  /** Messages about invalid lines, without the tokens. */
  readonly problems: readonly string[];
  /** False if the last line has no line end, perhaps because a program is still writing the line. */
  readonly isEnded: boolean;
}

/** The kind of a file, and a text that changes when the file changes. An empty text: the file has just changed. */
interface FileStamp {
  readonly isFolder: boolean;
  /** The file is too large to be a token file. */
  readonly isHuge?: true;
  readonly text: string;
}

/** Bytes of a file, for a million lines. A file of gigabytes, given by mistake, would be read into memory. */
const MAX_SIZE = 64 * 1024 * 1024;

export const IS_HUGE = `the file has more than ${MAX_SIZE / 1024 ** 2} MiB; none of its tokens is valid`;

/** Lines to parse before other events get an event-loop turn. */
const LINES_PER_TURN = 2000;

/**
 * Milliseconds after a change during which a further change may go unnoticed: two changes within one tick of the kernel's clock
 * look like one.
 */
const FRESH = 50;

/** Most messages about one file: a wrong file given by mistake may have thousands of invalid lines. */
const MAX_PROBLEMS = 5;

/**
 * Files that editors (vi, Emacs, nano, sed), dpkg, ucf, rpm and pacman leave next to a changed file. Such files contain old tokens:
 * a revoked token would stay valid.
 */
export const LEFTOVER =
  /^[.#]|~$|\.(?:bak|backup|old|orig|save|sw[a-z]|tmp|rej|disabled|(?:dpkg|ucf)-\w+|rpm(?:new|save|orig)|pac(?:new|save|orig))$/i;

const statLater = promisify(stat);

/** The stamp of a file or folder, following links. Undefined for any other path, or if `stat` fails. */
export async function stampOf(path: string): Promise<FileStamp | undefined> {
  try {
    const stats = await statLater(path, { bigint: true });
    if (!stats.isFile() && !stats.isDirectory()) return undefined;
    // The ctime, since a chmod that makes the file readable changes no other time.
    const { ino, size, ctimeNs, ctimeMs } = stats;
    const age = Date.now() - Number(ctimeMs);
    const isFresh = age >= 0 && age < FRESH;
    return {
      isFolder: stats.isDirectory(),
      text: isFresh ? '' : `${ino} ${size} ${ctimeNs}`,
      ...(size > MAX_SIZE && { isHuge: true }),
    };
  } catch {
    return undefined;
  }
}

/** The paths of a folder's token files. */
export async function pathsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder);
  return names.filter((name) => !LEFTOVER.test(name)).map((name) => join(folder, name));
}

/** @throws {FileFault} for a file that can't be read. */
export async function readLines(file: string): Promise<TokenLines> {
  const entries = new Map<string, TokenLine>();
  const problems: string[] = [];
  let invalid = 0;
  const text = await readTokenText(file);
  for (const [index, content] of text.split(/\r?\n/).entries()) {
    const line = index + 1;
    if (line % LINES_PER_TURN === 0) await nextTurn();
    if (/^\s*(#|$)/.test(content)) continue;
    const [, token, target = ''] = /^\s*(\S+?):\s+(\S+)\s*$/.exec(content) ?? [];
    const host = token === undefined ? undefined : readTokenTarget(target);
    const digest = tokenDigest(token ?? '');
    if (host && !entries.has(digest)) {
      entries.set(digest, { digest, host, line });
      continue;
    }
    // The message does not contain the line, since the line contains the token.
    const problem =
      token === undefined
        ? LINE_RULE
        : host
          ? 'duplicate token; the first line counts'
          : `the target must be ${TARGETS}`;
    if (++invalid <= MAX_PROBLEMS) problems.push(`${file}:${line}: ${problem}`);
  }
  if (invalid > MAX_PROBLEMS) problems.push(`${file}: ${invalid - MAX_PROBLEMS} more lines are invalid`);
  return { entries: [...entries.values()], problems, isEnded: text === '' || text.endsWith('\n') };
}

export const LINE_RULE = 'a line must be "token: HOST:PORT"';
export const TARGETS = 'HOST:PORT, PORT, [IPv6]:PORT, unix_socket:/path, unix:/path or tls:HOST:PORT';

export function isInAnotherFile(file: string, line: number): string {
  return `${file}:${line}: this token is also in another file; the first file by name counts`;
}

export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('base64');
}

/** A target as on the command line, or a unix socket as in websockify. */
export function readTokenTarget(text: string): Host | undefined {
  const [, path] = /^unix_socket:(.+)$/.exec(text) ?? [];
  return path === undefined ? parseBackend(text) : { socket: path };
}

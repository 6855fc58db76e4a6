import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { cut, onOneLine } from '../../helpers/one-line.js';
import { SUFFIX, UNFINISHED } from '../../record/file/names.js';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import { bytes } from '../output/units.js';
import { printMessage, type Io } from '../process/io.js';
import { writeOut } from './output.js';
import { factsOf, type RecordingFacts } from './recording-facts.js';

/** Limit of the characters of a column. */
const MOST_SHOWN = 40;

interface Unreadable {
  readonly file: string;
  readonly error: string;
}

/** The files that the arguments name: files, and the recordings of folders. @throws {CommandError} for a missing folder */
export async function recordingsIn(paths: readonly string[]): Promise<string[]> {
  const files = await Promise.all(
    paths.map(async (path) => {
      if (!(await isFolder(path))) return [path];
      try {
        const names = await readdir(path);
        return names
          .filter((name) => name.endsWith(SUFFIX) || name.endsWith(SUFFIX + UNFINISHED))
          .map((name) => join(path, name));
      } catch (error) {
        throw new CommandError(EXIT.config, `${path}: ${reasonOf(error)}`, { cause: error });
      }
    }),
  );
  return files.flat();
}

/** Is the path a folder? False for a missing path: the error is reported when the path is opened. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/** Lists recordings by their start. Resolves to the exit code: unreadable files are reported, and do not hide the others. */
export async function list(
  io: Io,
  files: readonly string[],
  isJson: boolean,
  signal: AbortSignal,
): Promise<number> {
  const found: RecordingFacts[] = [];
  const unreadable: Unreadable[] = [];
  for (const file of files) {
    signal.throwIfAborted();
    try {
      found.push(await factsOf(file));
    } catch (error) {
      if (!(error instanceof CommandError)) throw error;
      printMessage(io, error.message);
      unreadable.push({ file, error: error.message.replace(`${file}: `, '') });
    }
  }
  found.sort((one, other) => (one.start < other.start ? -1 : one.start > other.start ? 1 : 0));
  if (isJson) await writeOut(io, jsonOf([...found, ...unreadable]));
  else if (found.length > 0) await writeOut(io, tableOf(found));
  else if (unreadable.length === 0) printMessage(io, 'there are no recordings');
  return unreadable.length > 0 ? EXIT.config : EXIT.ok;
}

/** One recording per line, so that line-based programs can read the list. */
function jsonOf(entries: readonly (RecordingFacts | Unreadable)[]): string {
  const lines = entries.map((entry) => String(onOneLine(JSON.stringify(entry))));
  return lines.length === 0 ? '[]\n' : `[\n${lines.join(',\n')}\n]\n`;
}

function tableOf(found: readonly RecordingFacts[]): string {
  const rows = [
    ['START (UTC)', 'DURATION', 'SIZE', 'KIND', 'STATE', 'USER', 'ADDRESS', 'BACKEND', 'FILE'],
    ...found.map((facts) => [
      shownStart(facts),
      shownDuration(facts),
      bytes(facts.size),
      facts.kind,
      facts.state,
      shown(facts.user ?? '-'),
      shown(facts.address),
      shown(facts.backend),
      String(onOneLine(facts.file)),
    ]),
  ];
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const lines = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return `${lines.map((line) => line.trimEnd()).join('\n')}\n`;
}

/** Clients and users choose some of the texts. */
export function shown(text: string): string {
  return cut(String(onOneLine(text)), MOST_SHOWN);
}

export function shownStart({ start }: RecordingFacts): string {
  return start.replace('T', ' ').replace(/\.\d+Z$/, '');
}

export function shownDuration({ duration }: RecordingFacts): string {
  const whole = Math.round(duration);
  const two = (part: number) => String(part).padStart(2, '0');
  return `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
}

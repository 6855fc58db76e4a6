import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RecordingReader } from 'express-wstunnel/record';

/** A recording in the list. */
export interface Entry {
  /** The name of the file without suffix. */
  readonly id: string;
  readonly user?: string;
  readonly address: string;
  readonly backend: string;
  /** Epoch milliseconds. */
  readonly start: number;
  /** Milliseconds. Of an unfinished recording: until the last write, by the clock of the file system. */
  readonly duration: number;
  /** Bytes. */
  readonly size: number;
  /** `unfinished`: another process is recording, or a crash has cut the file. */
  readonly state: 'finished' | 'recording' | 'unfinished' | 'unreadable';
  /** Why a recording ends before its tunnel, or why the file cannot be read. */
  readonly reason?: string;
}

/** The most recordings of a list. */
const MOST = 200;
/** Files that are open at once for a list. */
const AT_ONCE = 8;

const SUFFIX = /\.wsrec(\.part)?$/;

/** The recordings of a folder. */
export class Folder {
  readonly #path: string;
  readonly #isOpen: (tunnel: string) => boolean;
  /** A finished file never changes. */
  readonly #known = new Map<string, Entry>();

  /** `isOpen`: whether this process has a tunnel with the id. */
  constructor(path: string, isOpen: (tunnel: string) => boolean) {
    this.#path = path;
    this.#isOpen = isOpen;
  }

  /** The newest recordings, newest first, and the number of older ones. */
  async list(): Promise<{ recordings: Entry[]; older: number }> {
    const names = (await this.#names()).sort().reverse();
    const shown = names.slice(0, MOST);
    for (const name of this.#known.keys()) if (!shown.includes(name)) this.#known.delete(name);
    const recordings: Entry[] = [];
    for (let at = 0; at < shown.length; at += AT_ONCE) {
      const part = await Promise.all(shown.slice(at, at + AT_ONCE).map((name) => this.#entry(name)));
      recordings.push(...part.filter((entry) => entry !== undefined));
    }
    return {
      recordings: recordings.sort((one, other) => other.start - one.start),
      older: names.length - shown.length,
    };
  }

  /**
   * The recording with this id, or undefined. The id comes from a client: only a name that the folder contains becomes a part of a path.
   */
  async find(id: string): Promise<{ path: string; entry: Entry } | undefined> {
    // A finished recording before an unfinished one of the same name.
    const name = (await this.#names()).sort().find((one) => idOf(one) === id);
    const entry = name === undefined ? undefined : await this.#entry(name);
    return name === undefined || !entry ? undefined : { path: join(this.#path, name), entry };
  }

  async #names(): Promise<string[]> {
    const files = await readdir(this.#path, { withFileTypes: true });
    return files.filter(isRecording).map(({ name }) => name);
  }

  /** Undefined if the file has just been renamed. */
  async #entry(name: string): Promise<Entry | undefined> {
    const known = this.#known.get(name);
    if (known) return known;
    const entry = await describe(this.#path, name, this.#isOpen);
    if (entry?.state === 'finished') this.#known.set(name, entry);
    return entry;
  }
}

/** A symbolic link is not a file. */
const isRecording = (file: Dirent) => file.isFile() && SUFFIX.test(file.name);

const idOf = (name: string) => name.replace(SUFFIX, '');

async function describe(
  folder: string,
  name: string,
  isOpen: (tunnel: string) => boolean,
): Promise<Entry | undefined> {
  const path = join(folder, name);
  const file = await stat(path).catch(() => undefined);
  if (!file) return undefined;
  const id = idOf(name);
  const { size, mtimeMs } = file;
  const reader = await RecordingReader.open(path).catch((error: unknown) => error as Error);
  if (reader instanceof Error) {
    // The message begins with the path.
    const reason = reader.message.replace(`${path} can't be read: `, '');
    return { id, address: '', backend: '', start: mtimeMs, duration: 0, size, state: 'unreadable', reason };
  }
  await reader.close();
  const { header, summary } = reader;
  const { start, tunnel } = header;
  const { user, address, backend } = tunnel;
  const about = { id, address, backend, start, size, ...(user !== undefined && { user }) };
  if (summary) {
    const { duration, stopped } = summary;
    return { ...about, duration, state: 'finished', ...(stopped !== undefined && { reason: stopped }) };
  }
  const duration = Math.max(0, Math.round(mtimeMs - start));
  return { ...about, duration, state: isOpen(tunnel.id) ? 'recording' : 'unfinished' };
}

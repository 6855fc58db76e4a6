import { lstat, open, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { TunnelInfo } from '../../types.js';

export const SUFFIX = '.wsrec';
/** Added to the name of a file that the app encrypts. */
export const ENCRYPTED = '.enc';
/** Added to the name of a file that is not finished. */
export const UNFINISHED = '.part';

/** Characters of a name: file systems allow 255 bytes, and suffixes follow. */
const MAX_NAME = 120;

/** Under these names, with any suffix, Windows opens a device in place of a file. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;

/** Files of the same name in one folder. */
const MOST_TRIES = 1000;

/** A name for a file that stays in the folder on every file system, whatever the text is. */
export function safeName(text: string): string {
  const name = text.replace(/[^A-Za-z0-9._@-]+/g, '_').slice(0, MAX_NAME);
  const visible = name.replace(/^[.-]+/, '_') || 'recording';
  return DEVICE.test(visible) ? `_${visible}` : visible;
}

/** Start, user and id, such as `20261130T121500Z-ann-1f2e3d4c`. */
export function defaultName({ id, user }: TunnelInfo, start: number): string {
  const time = new Date(start).toISOString().replace(/[-:]|\.\d+/g, '');
  return safeName(`${time}-${safeName(user ?? 'nobody').slice(0, 60)}-${id.slice(0, 8)}`);
}

/** A file that only this process writes, and the paths until and after the end of the recording. */
export interface NewFile {
  readonly file: FileHandle;
  readonly countsNames: boolean;
  readonly unfinished: string;
  readonly path: string;
}

/** Has the file no name any more? Some file systems do not count names, and report 0 from the start. */
export async function isRemoved({ file, countsNames }: NewFile): Promise<boolean> {
  return countsNames && (await file.stat()).nlink === 0;
}

/**
 * Creates `name.wsrec.part`, or `name.1.wsrec.part` and so on if the name is in use. Only the recorder that created the unfinished file
 * may rename the file. `name.wsrec` is checked afterwards, so that no other recorder can create that name after the check.
 */
export async function createFile(folder: string, name: string, suffix = SUFFIX): Promise<NewFile> {
  for (let count = 0; count < MOST_TRIES; count++) {
    const path = join(folder, `${name}${count === 0 ? '' : `.${count}`}${suffix}`);
    const unfinished = path + UNFINISHED;
    const file = await create(unfinished);
    if (!file) continue;
    if (!(await exists(path))) {
      const countsNames = (await file.stat()).nlink > 0;
      return { file, countsNames, unfinished, path };
    }
    await file.close();
    await unlink(unfinished);
  }
  throw new Error(
    `${MOST_TRIES} recordings are named ${name}: change the option name, or move recordings to another folder`,
  );
}

/** Undefined if the file exists. `wx` follows no symbolic link. */
async function create(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, 'wx', 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return undefined;
    throw error;
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await lstat(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}

import type { IncomingMessage, ServerResponse } from 'node:http';
import { realpathSync } from 'node:fs';
import { realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, normalize, relative, sep } from 'node:path';
import { originalPathOf, pathOf, queryOf } from '../../../request/path.js';
import type { Next } from '../../../types.js';
import type { Plan } from '../plan.js';
import { tokenPaths } from '../settings/token-settings.js';

/** Files of the plan that must not be served: keys, logins, tokens, logs and the like. A certificate without a key is public. */
export function privateFilesOf(plan: Plan): string[] {
  const { tls, auth, tokens, log, config, record, shared, privateFiles: further } = plan;
  const key = tls && (tls.key ?? tls.cert);
  const own = [
    key,
    ...auth.map(({ file }) => file),
    ...tokenPaths(tokens),
    log,
    config,
    record?.folder,
    shared?.passwordFile,
  ];
  const files = [...own, ...further];
  // `-` is standard output.
  return files.filter((file) => file !== undefined).filter((file) => file !== '-');
}

/** The files that are inside the folder, directly or by a link. */
export function privateFilesIn(folder: string, files: readonly string[]): string[] {
  const root = realOf(folder);
  return files.filter((file) => {
    const places = [file, join(realOf(dirname(file)), basename(file)), realOf(file)];
    return places.some((place) => isInside(root, place));
  });
}

/** A folder and the files in it that may be served. */
export interface ServedFolder {
  readonly folder: string;
  readonly index: readonly string[];
  /** Files that must not be served, and neither must files whose name begins with theirs, such as `tokens~` and `events.log.1`. */
  readonly secrets: readonly string[];
  /** May symbolic links lead out of the folder? */
  readonly followsLinks: boolean;
}

/**
 * Runs before `express.static`, which follows every symbolic link and knows no private files: answers 404 for a file that must not
 * be served. Between our check and Express, a user with write access to the folder could exchange a file, but such a user needs no
 * link.
 */
export function hidePrivateFiles(served: ServedFolder) {
  return async (req: IncomingMessage, res: ServerResponse, next: Next): Promise<void> => {
    let isHidden = true;
    try {
      const path = pathOf(req) ?? '/';
      // `express.static` would redirect `/\evil.example/..` to `/\evil.example/../`, which a browser reads as another host (CVE-2021-3654).
      isHidden = path.includes('\\') || (await isHiddenPath(served, path));
    } catch {
      // If the check fails (a loop of links, no permission), the file is not served.
    }
    if (!isHidden) {
      keepRedirectsHere(req);
      next();
      return;
    }
    res.statusCode = 404;
    res.setHeader('Content-Type', 'text/plain; charset=utf-8');
    res.end('Not found.\n');
  };
}

/**
 * `express.static` redirects a folder to the whole target of the request with `/`: the parser reads a host in `http://evil.example/sub`
 * and in `//a@evil.example/sub#`. A target that has more than path and query is shortened to both (CVE-2021-3654).
 */
function keepRedirectsHere(req: IncomingMessage & { originalUrl?: string }): void {
  const { originalUrl = req.url ?? '/' } = req;
  const path = originalPathOf(req) ?? '/';
  if (originalUrl.startsWith(path)) return;
  const query = queryOf({ url: originalUrl });
  // Two slashes at the start would again be read as the start of a host.
  req.originalUrl = `/${path.replace(/^\/+/, '')}${query === '' ? '' : `?${query}`}`;
}

/** Must the file not be served? */
export async function isHiddenPath(served: ServedFolder, path: string): Promise<boolean> {
  const file = await fileOf(served, path);
  if (file === undefined) return false;
  const [root, real] = await Promise.all([realpath(served.folder), realpath(file)]);
  if (!served.followsLinks && !isInside(root, real)) return true;
  // A link to a dot file: `express.static` does not serve dot files under their own name.
  const names = isInside(root, real) ? relative(root, real).split(sep) : [basename(real)];
  if (names.some((name) => name.startsWith('.'))) return true;
  const found = await stat(real);
  for (const secret of served.secrets) if (await isSecret(secret, real, found)) return true;
  return false;
}

/** The file that `express.static` would open for a path; undefined if there is no file. */
async function fileOf({ folder, index }: ServedFolder, path: string): Promise<string | undefined> {
  let decoded: string;
  try {
    decoded = decodeURIComponent(path);
  } catch {
    return undefined;
  }
  // `express.static` answers 400 to a NUL, and to the invalid encoding above.
  if (decoded.includes('\0')) return undefined;
  const file = join(folder, normalize(`.${sep}${decoded}`));
  if (!decoded.endsWith('/')) return (await kindOf(file)) === undefined ? undefined : file;
  for (const name of index) if ((await kindOf(join(file, name))) === 'file') return join(file, name);
  return undefined;
}

async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ENAMETOOLONG') return undefined;
    throw error;
  }
}

interface FileId {
  readonly dev: number;
  readonly ino: number;
}

async function isSecret(secret: string, real: string, { dev, ino }: FileId): Promise<boolean> {
  const folder = await realpath(dirname(secret)).catch(() => dirname(secret));
  const own = join(folder, basename(secret));
  const target = await realpath(secret).catch(() => own);
  const [where, name] = [dirname(real), basename(real)];
  const places = [own, target];
  if (places.some((place) => where === dirname(place) && name.startsWith(basename(place)))) return true;
  // The private path may be a folder, such as a folder of token files.
  if (places.includes(where)) return true;
  // The same file by a hard link, or by another spelling on a file system without letter case; the same folder by a bind mount.
  const known = await stat(secret).catch(() => undefined);
  if (!known) return false;
  const parent = await stat(where);
  return [{ dev, ino }, parent].some((one) => one.dev === known.dev && one.ino === known.ino);
}

/** The path with all links resolved; unchanged if the path does not exist. */
export function realOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

export function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

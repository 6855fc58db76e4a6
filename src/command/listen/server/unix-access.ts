import { lchownSync, lstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { withUmask } from '../../../sockets/umask.js';
import type { UnixAccess } from '../plan.js';
import { databaseEntry } from '../user/user-database.js';

export const MODE_RULE = 'must be three octal digits, such as 660 (owner and group)';
export const GROUP_RULE = 'must be a group of this machine, or its number';

/** Undefined for what is no mode. A socket without the owner's own bits would be one that nobody can use: it is not refused. */
export function readMode(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The number of a group; undefined for what is none. */
export function readGroup(name: string): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  if (!/^[A-Za-z_][\w.-]*\$?$/.test(name)) return undefined;
  const [, , number = ''] = databaseEntry('group', name) ?? [];
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

/** @throws what the file system says: the group may be one that this user is not in. */
export function listenWithAccess(server: Server, path: string, { mode, group }: UnixAccess): void {
  if (mode === undefined && group === undefined) {
    server.listen({ path });
    return;
  }
  // Mode and group are the socket's from the start, so that nobody connects in between, and no path is followed a second time: where
  // others may write to the folder, it could be a link by then. Node binds within this call.
  const own = process.getegid?.();
  const isGroupSet = group !== undefined && group !== own && becomes(group);
  const bind = () => void server.listen({ path });
  try {
    if (mode === undefined) bind();
    else withUmask(0o777 & ~mode, bind);
  } finally {
    if (isGroupSet && own !== undefined) process.setegid?.(own);
  }
  // An error of `listen` is an event in the next turn. Somebody who is not root may only give the socket to a further group, and a
  // folder may have set its own.
  if (server.listening && group !== undefined && lstatSync(path).gid !== group)
    lchownSync(path, process.getuid?.() ?? -1, group);
}

/** Root alone may take any group for what it makes. */
function becomes(group: number): boolean {
  if (process.geteuid?.() !== 0) return false;
  process.setegid?.(group);
  return true;
}

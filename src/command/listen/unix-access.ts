import { chmodSync, lchownSync } from 'node:fs';
import type { Server } from 'node:net';
import { entryOf } from './system-names.js';

/** Who may connect to the unix sockets of `--unix`. */
export interface UnixAccess {
  /** Permission bits, such as 0o660. By default the umask decides. */
  readonly mode?: number;
  /** The number of the sockets' group. By default the process's own. */
  readonly group?: number;
}

export const MODE_RULE = 'is three octal digits, such as 660 (owner and group)';
export const GROUP_RULE = 'is a group of this machine, or its number';

/** Undefined for what is no mode. A socket without the owner's own bits would be one that nobody can use: it is not refused. */
export function readMode(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The number of a group; undefined for what is none. */
export function readGroup(name: string): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  if (!/^[A-Za-z_][\w.-]*\$?$/.test(name)) return undefined;
  const [, , number = ''] = entryOf('group', name) ?? [];
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

/** @throws what the file system says: the group may be one that this user is not in. */
export function listenWithAccess(server: Server, path: string, { mode, group }: UnixAccess): void {
  if (mode === undefined && group === undefined) {
    server.listen({ path });
    return;
  }
  // The socket is for its owner alone until its group and mode are set: nobody connects in between. Node binds within this call.
  const umask = process.umask(0o177);
  try {
    server.listen({ path });
  } finally {
    process.umask(umask);
  }
  // An error of `listen` is an event in the next turn.
  if (!server.listening) return;
  if (group !== undefined) lchownSync(path, process.getuid?.() ?? -1, group);
  chmodSync(path, mode ?? 0o777 & ~umask);
}

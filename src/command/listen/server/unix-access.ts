import { lchownSync, lstatSync } from 'node:fs';
import type { Server } from 'node:net';
import { withUmask } from '../../../sockets/umask.js';
import type { UnixAccess } from '../plan.js';
import { databaseEntry } from '../user/user-database.js';

export const MODE_RULE = 'must be three octal digits, such as 660 (owner and group)';
export const GROUP_RULE = 'must be a group of this machine, or its number';

/** Parses a mode; undefined if invalid. A mode without the owner's bits is accepted, although the socket is then useless. */
export function readMode(text: string): number | undefined {
  return /^0?[0-7]{3}$/.test(text) ? parseInt(text, 8) : undefined;
}

/** The number of a group, by name or number; undefined for an unknown group. */
export function readGroup(name: string): number | undefined {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  if (!/^[A-Za-z_][\w.-]*\$?$/.test(name)) return undefined;
  const [, , number = ''] = databaseEntry('group', name) ?? [];
  return /^\d+$/.test(number) ? Number(number) : undefined;
}

/** Listens at a path with a mode and a group. @throws a system error, such as for a group that the user is not a member of */
export function listenWithAccess(server: Server, path: string, access: UnixAccess): void {
  const bind = () => server.listen({ path }).listening;
  bindWithAccess(path, access, bind);
}

/** Calls `bind`, which creates a unix socket at the path within the call and returns whether it has succeeded. */
export function bindWithAccess(path: string, { mode, group }: UnixAccess, bind: () => boolean): void {
  // Create the socket with its mode and group, not `chmod` or `chown` afterwards: no other user can connect in between, and the
  // path is not resolved twice (if others may write to the folder, the path may be a link by then). Node binds within the call.
  const own = process.getegid?.();
  const isGroupSet = group !== undefined && group !== own && becomes(group);
  let isBound = false as boolean;
  const create = () => void (isBound = bind());
  try {
    if (mode === undefined) create();
    else withUmask(0o777 & ~mode, create);
  } finally {
    if (isGroupSet && own !== undefined) process.setegid?.(own);
  }
  // `listen` reports errors by an event in the next turn. Without root, the group can only be changed afterwards, to a
  // supplementary group; and a folder with the setgid bit has set its own group.
  if (isBound && group !== undefined && lstatSync(path).gid !== group)
    lchownSync(path, process.getuid?.() ?? -1, group);
}

/** Sets the effective group; only root may set any group. Returns false if not root. */
function becomes(group: number): boolean {
  if (process.geteuid?.() !== 0) return false;
  process.setegid?.(group);
  return true;
}

import { messageOf } from '../../../errors.js';
import { CommandError, EXIT } from '../../exit.js';
import { databaseEntry } from './user-database.js';

/** Who the process is to be: names, or numbers as text. */
export interface UserName {
  readonly user: string;
  readonly group?: string;
  /** The option or directive that says so. */
  readonly by: string;
}

export const USER_RULE = 'must be NAME or NAME:GROUP, such as www-data:www-data';

const NAME = '[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}';
const USER = new RegExp(`^(${NAME})(?::(${NAME}))?$`);

export function isUserName(text: string): boolean {
  return USER.test(text);
}

/** A text for which {@link isUserName} is true. */
export function readUserName(text: string, by = '--user'): UserName {
  const [, user = '', group] = USER.exec(text) ?? [];
  return { user, ...(group !== undefined && { group }), by };
}

/** As numbers, of a user and its group. */
export interface UserIdentity {
  /** For the user's further groups; undefined for a number that has no name. */
  readonly name: string | undefined;
  readonly uid: number;
  readonly gid: number;
  /** The user's home folder, where that is known. */
  readonly home?: string | undefined;
}

/** @throws {CommandError} for a user or group that this machine does not know, and for root. */
export function identityOf({ user, group, by }: UserName): UserIdentity {
  const entry = databaseEntry('passwd', user);
  const [name, , uidText = user, ownGid] = entry ?? [];
  if (!entry && !/^\d+$/.test(user)) throw unknown(by, 'user', user);
  const uid = Number(uidText);
  const groupEntry = group === undefined ? undefined : databaseEntry('group', group);
  if (group !== undefined && !groupEntry && !/^\d+$/.test(group)) throw unknown(by, 'group', group);
  const gid = group === undefined ? ownGid : (groupEntry?.[2] ?? group);
  if (gid === undefined)
    throw new CommandError(EXIT.config, `${by}: "${user}" has no group on this machine: give NAME:GROUP`);
  if (uid === 0) throw new CommandError(EXIT.config, `${by}: "${user}" is root; give another user`);
  if (Number(gid) === 0)
    throw new CommandError(
      EXIT.config,
      `${by}: "${group ?? user}" is root's group; give another one as NAME:GROUP`,
    );
  return { name, uid, gid: Number(gid), home: entry?.[5] };
}

function unknown(by: string, kind: string, name: string): CommandError {
  return new CommandError(EXIT.config, `${by}: this machine has no ${kind} "${name}"`);
}

/** What `dropTo` changes in the process. Node's types lack `initgroups`; on Windows there is none of them. */
export interface ProcessIds extends Partial<
  Pick<NodeJS.Process, 'setgroups' | 'setgid' | 'setuid' | 'getuid' | 'geteuid' | 'getgid' | 'getegid'>
> {
  initgroups?(user: string, group: number): void;
}

/**
 * Gives up root for good: the groups first, since only root may change them, then the group, then the user. Node's calls are
 * glibc's and musl's, which change every thread of the process.
 *
 * @throws {CommandError} where it can't, or where root could be regained; the process must end then.
 */
export function giveUpRoot({ name, uid, gid }: UserIdentity, by: string, ids: ProcessIds = process): void {
  try {
    if (name === undefined) ids.setgroups?.([gid]);
    else ids.initgroups?.(name, gid);
    ids.setgid?.(gid);
    ids.setuid?.(uid);
  } catch (error) {
    throw new CommandError(EXIT.failed, `${by}: can't give up root: ${messageOf(error)}`, {
      cause: error,
    });
  }
  const isOther =
    ids.getuid?.() === uid && ids.geteuid?.() === uid && ids.getgid?.() === gid && ids.getegid?.() === gid;
  if (!isOther || isRegained(ids))
    throw new CommandError(EXIT.failed, `${by}: root was not given up: the process could become root again`);
}

/** What programs of `spawn` find in their environment: root's home is nothing to them. */
export function environmentOf({ name, home }: UserIdentity): Record<string, string> {
  return {
    ...(home !== undefined && home !== '' && { HOME: home }),
    ...(name !== undefined && { USER: name, LOGNAME: name }),
  };
}

function isRegained(ids: ProcessIds): boolean {
  try {
    ids.setuid?.(0);
    return true;
  } catch {
    return false;
  }
}

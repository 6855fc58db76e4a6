import { messageOf } from '../../../errors.js';
import { CommandError, EXIT } from '../../exit.js';
import { databaseEntry } from './user-database.js';

/** The user and group that the process becomes: names, or numbers as text. */
export interface UserName {
  readonly user: string;
  readonly group?: string;
  /** The option or directive that names the user. */
  readonly by: string;
}

export const USER_RULE = 'must be NAME or NAME:GROUP, such as www-data:www-data';

const NAME = '[A-Za-z0-9_][A-Za-z0-9_.@-]{0,63}';
const USER = new RegExp(`^(${NAME})(?::(${NAME}))?$`);

export function isUserName(text: string): boolean {
  return USER.test(text);
}

/** Parses a text for which {@link isUserName} is true. */
export function readUserName(text: string, by = '--user'): UserName {
  const [, user = '', group] = USER.exec(text) ?? [];
  return { user, ...(group !== undefined && { group }), by };
}

/** The numbers of a user and a group. */
export interface UserIdentity {
  /** The user's name, for the look-up of supplementary groups; undefined for a number without a name. */
  readonly name: string | undefined;
  readonly uid: number;
  readonly gid: number;
  /** The user's home folder, if known. */
  readonly home?: string | undefined;
}

/** Looks up the numbers. @throws {CommandError} for an unknown user or group, and for root */
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

/** The functions of `process` that `giveUpRoot` calls. Node's types lack `initgroups`; Windows has none of the functions. */
export interface ProcessIds extends Partial<
  Pick<NodeJS.Process, 'setgroups' | 'setgid' | 'setuid' | 'getuid' | 'geteuid' | 'getgid' | 'getegid'>
> {
  initgroups?(user: string, group: number): void;
}

/**
 * Gives up root permanently: first the supplementary groups, since only root may change them, then the group, then the user. Node calls
 * the functions of glibc or musl, which change every thread of the process.
 *
 * @throws {CommandError} if a call fails, or if root can be regained; the process must end then
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

/** The user to become; undefined to stay the current user. @throws {CommandError} where only root can become the user */
export function identityFor(
  user: UserName | undefined,
  warn: (line: string) => void,
): UserIdentity | undefined {
  if (!user) return undefined;
  const own = process.getuid?.();
  if (own === 0) return identityOf(user);
  if (user.by === '--user' || user.by === '"runAs"') {
    if (own === identityOf(user).uid) return undefined;
    throw new CommandError(EXIT.config, `${user.by}: only root can become "${user.user}"; omit it`);
  }
  // lighttpd ignores the directive without a message.
  warn(`${user.by} is ignored: only root can become "${user.user}"; this process stays uid ${own ?? ''}`);
  return undefined;
}

/** Gives up root, and takes over the user's environment. @throws {CommandError} */
export function becomeUser(identity: UserIdentity, by: string): void {
  giveUpRoot(identity, by);
  Object.assign(process.env, environmentOf(identity));
}

/** The message after {@link becomeUser}. */
export function becameUser({ uid, gid }: UserIdentity, { user }: UserName): string {
  return `gave up root: now running as ${user} (uid ${uid}, gid ${gid})`;
}

/** The user's environment variables, which programs of `spawn` get instead of root's. */
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

import { accessSync, constants } from 'node:fs';
import { foldersOf, type Plan } from '../plan.js';
import { tokenPaths } from '../settings/token-settings.js';

export const GIVE_TO_GROUP = 'give them to a group of this user (chgrp; chmod g+r, of folders g+rx)';

/** Files of the plan that this process can't read after giving up root: a reload would fail. */
export function unreadableFiles(plan: Plan): string[] {
  const { tls, auth, tokens, config, included, privateFiles } = plan;
  const read = [
    ...[config, tls?.cert, tls?.key, tls?.clientCa, ...tokenPaths(tokens)],
    ...auth.map(({ file }) => file),
    ...[...included, ...privateFiles, ...foldersOf(plan).map(({ folder }) => folder)],
  ].filter((file) => file !== undefined);
  return [...new Set(read.filter((file) => !isReadable(file)))];
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

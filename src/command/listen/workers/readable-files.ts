import { accessSync, constants } from 'node:fs';
import { CommandError, EXIT } from '../../exit.js';
import type { Plan } from '../plan.js';
import { GIVE_TO_GROUP, unreadableFiles } from '../startup/unreadable-files.js';
import { PROGRAM } from './worker-slot.js';

/** A replacement reads the files again, as the other user. @throws {CommandError} */
export function requireReadable(plan: Plan, user: string): void {
  const { passwordFile } = plan.shared ?? {};
  const files = [
    ...unreadableFiles(plan),
    ...(passwordFile === undefined ? [] : unusable(passwordFile, constants.R_OK)),
    ...unusable(process.execPath, constants.X_OK),
    ...unusable(PROGRAM, constants.R_OK),
  ];
  if (files.length === 0) return;
  throw new CommandError(
    EXIT.config,
    `with --workers, ${user} must be able to read the files and to run Node, and has no access to ${files.join(', ')}, or a folder above; ${GIVE_TO_GROUP}`,
  );
}

function unusable(file: string, mode: number): string[] {
  try {
    accessSync(file, mode);
    return [];
  } catch {
    return [file];
  }
}

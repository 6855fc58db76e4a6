import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { foldersOf, type Plan } from './plan.js';

/** Files of the plan that this process can't read, or not write, any more: a reload would fail. */
export function unreadable(plan: Plan): string[] {
  const { tls, auth, tokens, config, included, privateFiles, log } = plan;
  const read = [
    ...[config, tls?.cert, tls?.key, tls?.clientCa, tokens, ...auth.map(({ file }) => file)],
    ...[...included, ...privateFiles, ...foldersOf(plan).map(({ folder }) => folder)],
  ].filter((file) => file !== undefined);
  const written = log === undefined || log === '-' ? [] : [log, dirname(log)];
  return [
    ...new Set([
      ...read.filter((file) => !isPermitted(file, constants.R_OK)),
      ...written.filter((file) => !isPermitted(file, constants.W_OK)),
    ]),
  ];
}

function isPermitted(file: string, mode: number): boolean {
  try {
    accessSync(file, mode);
    return true;
  } catch {
    return false;
  }
}

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';
import { fail } from './fail.js';
import type { OptionRef } from './option-path.js';
import { checkText } from './basic.js';

/** Shells pass on no other names. */
const VARIABLE = /^[A-Za-z_][A-Za-z0-9_]*$/;

/** The absolute path of a program; the file must exist and be executable. */
export function readProgram(value: unknown, name: OptionRef): string {
  checkArgument(value, name);
  const path = value as string;
  if (path === '') fail(name, 'must be a program', value);
  if (isAbsolute(path)) {
    if (!isProgram(path)) fail(name, 'must be a program that can be executed', value);
    return path;
  }
  if (path.includes('/')) fail(name, 'must be an absolute path, or a name to look for in PATH', value);
  const found = (process.env.PATH ?? '')
    .split(delimiter)
    .filter(isAbsolute)
    .map((folder) => join(folder, path))
    .find(isProgram);
  return found ?? fail(name, 'is not found in PATH', value);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** An argument of a program. */
export function checkArgument(value: unknown, name: OptionRef): void {
  if (typeof value !== 'string' || value.includes('\0')) fail(name, 'must be a string without a NUL', value);
}

/** The name of an environment variable. */
export function checkVariable(value: unknown, name: OptionRef): void {
  checkText(value, name);
  if (!VARIABLE.test(value as string))
    fail(name, 'must have names of letters, digits and _, as a shell passes them on', value);
}

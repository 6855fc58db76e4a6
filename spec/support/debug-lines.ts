import { format } from 'node:util';
import createDebug from 'debug';
import { onCleanup } from './cleanup.js';

/** The lines of the debug log, from now to the end of the test. */
export function debugLines(): string[] {
  const lines: string[] = [];
  const { log } = createDebug;
  createDebug.enable('wstunnel:*');
  createDebug.log = (...args: unknown[]) => void lines.push(format(...args));
  onCleanup(() => {
    createDebug.disable();
    createDebug.log = log;
  });
  return lines;
}

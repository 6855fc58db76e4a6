import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** The variable with the folder of the home folders of all workers. */
export const HOMES = 'WSTUNNEL_SPEC_HOMES';

/** Runs once, before all workers. The result runs after them: Vitest may kill a worker, which then can't remove its folder. */
export default function makeHomes(): () => void {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-homes-'));
  process.env[HOMES] = folder;
  return () => rmSync(folder, { recursive: true, force: true });
}

// The long fuzz test: see README.md. Bundles fuzz/main.ts, so that a run of hours is not changed by edits, and starts it.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const here = join(dirname(fileURLToPath(import.meta.url)), 'fuzz');
const folder = mkdtempSync(join(tmpdir(), 'wstunnel-fuzz-'));
const outfile = join(folder, 'fuzz.cjs');
await build({
  entryPoints: [join(here, 'main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'cjs',
  // The UMD form of jsonc-parser can't be bundled.
  mainFields: ['module', 'main'],
  logLevel: 'error',
  // The files of the generators import vitest for other helpers, which do not run here.
  alias: { vitest: join(here, 'no-vitest.mjs') },
});
const child = spawn(process.execPath, ['--expose-gc', outfile, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});

import { spawn } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { Marked, temporaryFolder } from './spawned.js';
import { until } from './wait.js';

const ROOT = join(import.meta.dirname, '../..');

/** Runs Vitest on a spec with a test that blocks the event loop. */
async function runEndless(silence: number) {
  const folder = await temporaryFolder();
  const marked = new Marked();
  const setup = `import { startWatchdog } from ${JSON.stringify(join(ROOT, 'spec/support/watchdog.ts'))};
startWatchdog(${silence});\n`;
  const endless = `test('endless', async () => {
  process.stdout.write('SPINS\\n');
  for (;;) await undefined;
}, 100);\n`;
  const config = "export default { test: { globals: true, pool: 'forks', setupFiles: ['./setup.js'] } };\n";
  await writeFile(join(folder, 'setup.js'), setup);
  await writeFile(join(folder, 'endless.spec.js'), endless);
  await writeFile(join(folder, 'vitest.config.js'), config);
  const args = [join(ROOT, 'node_modules/vitest/vitest.mjs'), 'run', '--root', folder];
  const child = spawn(process.execPath, args, {
    env: { ...process.env, VITEST: '', [marked.name]: 'yes' },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += String(chunk)));
  return { child, marked, output: () => output };
}

describe('issue 13, case 22: a test that blocks the event loop for ever', () => {
  test('is ended with its worker and fails the run', async () => {
    const { child, marked, output } = await runEndless(2000);
    await until(() => child.exitCode !== null);
    expect(child.exitCode).toBe(1);
    expect(output()).toContain('has not left the event loop a turn for 2 s');
    await until(() => marked.pids().length === 0);
  }, 70_000);

  test('does not outlive Ctrl-C', async () => {
    const { child, marked, output } = await runEndless(600_000);
    await until(() => output().includes('SPINS'));
    // The terminal sends SIGINT to the whole process group.
    process.kill(-child.pid!, 'SIGINT');
    await until(() => marked.pids().length === 0);
  }, 70_000);

  test('does not outlive Vitest itself', async () => {
    const { child, marked, output } = await runEndless(600_000);
    await until(() => output().includes('SPINS'));
    child.kill('SIGKILL');
    await until(() => marked.pids().length === 0);
  }, 70_000);
});

describe('issue 13, case 22: the environment of the specs', () => {
  test('contains nothing of the developer’s shell, terminal and locale', () => {
    const { HOME, SHELL, TERM, LANG, TZ } = process.env;
    expect({ SHELL, TERM, LANG, TZ }).toEqual({ SHELL: '/bin/sh', TERM: 'dumb', LANG: 'C.UTF-8', TZ: 'UTC' });
    expect(HOME).toMatch(/wstunnel-homes-/);
    for (const name of [
      'HTTPS_PROXY',
      'no_proxy',
      'PGHOST',
      'LC_ALL',
      'DISPLAY',
      'SSH_AUTH_SOCK',
      'BASH_ENV',
    ])
      expect(process.env).not.toHaveProperty(name);
  });
});

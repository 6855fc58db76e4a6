import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'vitest';
import type { SpawningHost } from '../../../src/backends/spawn/spawned-process.js';
import { SpawnedProgram } from '../../../src/backends/spawn/spawned-program.js';
import { readServerResult } from '../../../src/options/read-hosts.js';
import { onCleanup } from '../../support/cleanup.js';
import { until } from '../../support/wait.js';

// Issue 12, case 6: an error thrown in a timer, or in a promise without a handler, would end the process.
test('a program that cannot start for lack of a temporary folder is a failure and is tried again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'wstunnel-spec-'));
  onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  const spawn = { path: process.execPath, args: ['-e', 'process.exit(3)'], minProcs: 1, handOver: false };
  const [host] = readServerResult({ spawn }, 'server');
  const failures: string[] = [];
  let asked = 0;
  const program = new SpawnedProgram(host as SpawningHost, {
    processContext: () => {
      const failure = ++asked > 1 ? new Error('ENOSPC: no space left on device') : undefined;
      return { socket: join(folder, '1'), failure, mark: `spec.${process.pid}.`, log: () => undefined };
    },
    processEnded: () => undefined,
    failed: (_host, why) => failures.push(why),
    unused: () => undefined,
  });
  onCleanup(() => program.close(0));
  program.keepRunning();
  await until(() => failures.some((why) => why.includes('ENOSPC')));
  const before = asked;
  await until(() => asked > before);
});

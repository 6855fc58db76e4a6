import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { onCleanup } from '../../support/cleanup.js';
import { startTunnel } from '../../support/servers.js';

const SCRIPT = fileURLToPath(new URL('process.mjs', import.meta.url));
const MIB = 1024 * 1024;

async function transfer(url: string, megabytes: number): Promise<{ bytesRead: number; grown: number }> {
  const child = fork(SCRIPT, [url, String(megabytes)]);
  onCleanup(() => child.kill());
  const [report] = (await once(child, 'message')) as [{ bytesRead: number; grown: number }];
  return report;
}

test('256 MiB both ways need no more memory than 64 MiB', { timeout: 60_000 }, async () => {
  const { url } = await startTunnel();
  const some = await transfer(url, 64);
  const all = await transfer(url, 256);
  expect(all.bytesRead).toBe(256 * MIB);
  expect(all.grown).toBeLessThan(Math.max(some.grown * 1.5, 96 * MIB));
});

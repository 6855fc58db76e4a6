import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { killStragglers } from '../../../src/backends/spawn/stragglers.js';
import { onCleanup } from '../../support/cleanup.js';
import { Marked } from '../../support/spawned.js';

// During execve(2) the environment of a process is empty: without a second search, one daemon of four survived.
const ROUNDS = 25;

describe.runIf(process.platform === 'linux')('issue 13, case 22: a daemon in the middle of its exec', () => {
  test('is killed as well, and gone when the search ends', async () => {
    const all: Marked[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      const marked = new Marked();
      all.push(marked);
      const child = spawn('sh', ['-c', 'setsid "$NODE" -e "setInterval(() => {}, 1000)" & exit 0'], {
        env: { PATH: process.env.PATH, NODE: process.execPath, [marked.name]: 'yes' },
        stdio: 'ignore',
      });
      await once(child, 'exit');
      await killStragglers(marked.name);
    }
    // A surviving daemon becomes visible only after the start of the new program, so the check is at the end.
    expect(all.flatMap((marked) => marked.pids())).toEqual([]);
  });

  test('is kept if it belongs to another program', async () => {
    const [ours, other] = [new Marked(), new Marked()];
    const child = spawn('sleep', ['300'], { env: { PATH: process.env.PATH, [other.name]: 'yes' } });
    onCleanup(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    await killStragglers(ours.name);
    expect(child.exitCode ?? child.signalCode).toBeNull();
    expect(other.pids()).toEqual([child.pid]);
  });
});

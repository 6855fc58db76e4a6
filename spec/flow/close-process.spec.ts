import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';

/** A process with a tunnel; `disconnect()` begins its grace of 40 days. */
async function startProcess() {
  const { port: backend } = await startEcho();
  const script = fileURLToPath(new URL('close-process.mjs', import.meta.url));
  const child = fork(script, [String(backend)], { silent: true });
  onCleanup(() => void child.kill('SIGKILL'));
  let printed = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (text) => (printed += String(text)));
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  // After `disconnect()` Node emits no 'close'.
  const ends = [child.stdout!, child.stderr!].map((stream) => once(stream, 'end'));
  const ended = Promise.all([once(child, 'exit'), ...ends]).then(([[code]]) => ({
    code: code as unknown,
    printed,
  }));
  return { port, child, ended };
}

test('a process in its grace ends with its last tunnel', async () => {
  const { port, child, ended } = await startProcess();
  const client = await openRaw(port);
  child.disconnect();
  await echoes(client, 'still here');
  client.socket.destroy();
  expect(await ended).toEqual({ code: 0, printed: 'all closed\n' });
});

test('a process without a tunnel has no grace', async () => {
  const { child, ended } = await startProcess();
  child.disconnect();
  expect(await ended).toEqual({ code: 0, printed: 'all closed\n' });
});

import { expect, test } from 'vitest';
import type { Io } from '../../../src/command/process/io.js';
import { run } from '../../../src/command/run.js';
import { FakeIo } from '../../support/fake-io.js';
import { openRaw } from '../../support/raw-client.js';
import { accepts, startEcho } from '../../support/servers.js';
import { until } from '../../support/wait.js';

async function start(args: readonly string[], io = new FakeIo()) {
  const code = run(args, io);
  await until(() => io.said.includes('listening on'));
  const [, port] = /listening on http:\/\/127\.0\.0\.1:(\d+)\//.exec(io.said) ?? [];
  return { io, code, port: Number(port) };
}

test('the help goes to stdout', async () => {
  const io = new FakeIo();
  expect(await run(['listen', '--help'], io)).toBe(0);
  expect(io.written).toMatch(/^Usage: express-wstunnel /);
  expect(io.said).toBe('');
});

test('text from the user cannot add a line or move the cursor', async () => {
  const io = new FakeIo();
  expect(await run(['x\n\u001b[2J', '5900'], io)).toBe(2);
  expect(io.said).toMatch(/^express-wstunnel: "x\\u000a\\u001b\[2J" is not a listen address.*\n$/);
});

test('text from the user cannot reverse the direction of what follows', async () => {
  const io = new FakeIo();
  expect(await run(['x\u202eexe', '5900'], io)).toBe(2);
  expect(io.said).toMatch(/"x\\u202eexe" is not a listen address/);
});

test('a signal during the start takes effect after it', async () => {
  let saidBefore = 'never asked';
  class Impatient extends FakeIo {
    override onSignal(...args: Parameters<Io['onSignal']>): () => void {
      queueMicrotask(() => {
        saidBefore = this.said;
        this.send('SIGHUP');
        this.send('SIGTERM');
      });
      return super.onSignal(...args);
    }
  }
  const io = new Impatient();
  expect(await run(['0', '5900'], io)).toBe(0);
  expect(saidBefore).toBe('');
  expect(io.said).toMatch(/listening on .*\n.*reloaded/);
  expect(io.listeners()).toBe(0);
});

test('an orderly end leaves no signal listener and no server', async () => {
  const { port: target } = await startEcho();
  const { io, code, port } = await start(['0', String(target)]);
  const client = await openRaw(port);
  io.send('SIGTERM');
  await client.close();
  client.socket.destroy();
  expect(await code).toBe(0);
  expect(io.listeners()).toBe(0);
  expect(await accepts({ port })).toBe(false);
});

test('SIGHUP reads the settings again, and ends the command if the terminal is gone', async () => {
  const { port: target } = await startEcho();
  const { io, code } = await start(['0', String(target)]);
  io.send('SIGHUP');
  await until(() => io.said.includes('reloaded'));
  io.terminalIsGone = true;
  io.send('SIGHUP');
  expect(await code).toBe(0);
});

test('the status line fits the terminal, and is not drawn where the terminal cannot erase it', async () => {
  const { port: target } = await startEcho();
  const narrow = new FakeIo();
  Object.assign(narrow.stderr, { isTTY: true, columns: 12 });
  const first = await start(['0', String(target)], narrow);
  await until(() => narrow.said.endsWith('0 tunnels  '));
  first.io.send('SIGTERM');
  await first.code;
  expect(narrow.said.endsWith('\r\u001b[K')).toBe(true);

  const dumb = new FakeIo();
  Object.assign(dumb.stderr, { isTTY: true });
  dumb.environment.TERM = 'dumb';
  const second = await start(['0', String(target)], dumb);
  second.io.send('SIGTERM');
  await second.code;
  expect(dumb.said).toMatch(
    /^express-wstunnel: listening on \S+ for \S+; reachable from this machine only \([^\n]*\)\n$/,
  );
});

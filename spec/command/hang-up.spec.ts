import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { CLI, end, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { accepts, startEcho, startTunnel } from '../support/servers.js';
import { holds, until } from '../support/wait.js';

const LISTENING = /listening on 127\.0\.0\.1:(\d+) for/;

/** The command line for a shell. */
const typed = (...args: string[]) => [process.execPath, CLI, ...args].map((word) => `'${word}'`).join(' ');

/** Runs a command line on a terminal; prints `$!` as `pid=`. */
function onTerminal(line: string): Program {
  return new Program('script', ['-qefc', line, '/dev/null'], { TERM: 'dumb' });
}

/** Checks several times that the port still accepts connections. */
async function goesOn(port: number): Promise<void> {
  for (let left = 20; left > 0; left--) {
    expect(await accepts({ port })).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

describe('issue 13, case 5: SIGHUP', () => {
  test('a local port started by nohup goes on, and SIGTERM ends it', async () => {
    const { url } = await startTunnel();
    const program = new Program('nohup', [process.execPath, CLI, 'connect', url, '--local', '0']);
    const [, port = ''] = await program.prints(LISTENING);
    program.process.kill('SIGHUP');
    await goesOn(Number(port));
    program.process.kill('SIGTERM');
    await until(() => program.process.exitCode !== null);
    expect(program.process.exitCode).toBe(0);
  });

  test('a listening command started by nohup reads its files again and goes on', async () => {
    const { port: target } = await startEcho();
    const program = new Program('nohup', [process.execPath, CLI, '0', String(target)]);
    const [, port = ''] = await program.prints(/listening on http:\/\/127\.0\.0\.1:(\d+)\//);
    program.process.kill('SIGHUP');
    await program.prints(/settings were reloaded/);
    await goesOn(Number(port));
  });

  test('a listening command without a terminal reads its files again, with or without nohup', async () => {
    const { port: target } = await startEcho();
    const command = await startCommand(['0', String(target)]);
    command.program.process.kill('SIGHUP');
    await command.program.prints(/settings were reloaded/);
  });
});

describeWith('script')('issue 13, case 5: SIGHUP on a terminal', () => {
  test.each([
    ['under nohup', 'nohup'],
    ['where the shell ignores SIGHUP', "trap '' HUP;"],
  ])('a local port goes on %s', async (_, before) => {
    const { url } = await startTunnel();
    // nohup writes to nohup.out: the port is looked up there.
    const line = `cd "$(mktemp -d)"; ${before} ${typed('connect', url, '--local', '0')} & echo pid=$!; for i in $(seq 200); do kill -0 $! || break; cat nohup.out; sleep 0.1; done 2>/dev/null`;
    const program = onTerminal(`sh -c '${line.replaceAll("'", "'\\''")}'`);
    const [, pid = ''] = await program.prints(/pid=(\d+)/);
    onCleanup(() => end(Number(pid)));
    const [, port = ''] = await program.prints(LISTENING);
    process.kill(Number(pid), 'SIGHUP');
    await goesOn(Number(port));
    process.kill(Number(pid), 'SIGTERM');
    await holds(async () => expect(await accepts({ port: Number(port) })).toBe(false));
  });

  test('a local port without nohup closes its tunnels and ends', async () => {
    const { url } = await startTunnel();
    const program = onTerminal(
      `sh -c '${`${typed('connect', url, '--local', '0')} & echo pid=$!; wait $!; echo code=$?`.replaceAll("'", "'\\''")}'`,
    );
    const [, pid = ''] = await program.prints(/pid=(\d+)/);
    onCleanup(() => end(Number(pid)));
    await program.prints(LISTENING);
    process.kill(Number(pid), 'SIGHUP');
    await program.prints(/code=0/);
  });
});

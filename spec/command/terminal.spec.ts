import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { CLI } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { closeFrame, frame, openRaw } from '../support/raw-client.js';
import { accepts, startEcho } from '../support/servers.js';
import { holds, until } from '../support/wait.js';

/** Runs the command on a terminal with 80 columns. */
async function startOnTerminal(args: readonly string[]) {
  const line = [process.execPath, CLI, ...args].map((word) => `'${word}'`).join(' ');
  const program = new Program('script', ['-qefc', `stty cols 80 rows 24; exec ${line}`, '/dev/null'], {
    TERM: 'xterm',
  });
  const [, port = ''] = await program.prints(/listening on http:\/\/127\.0\.0\.1:(\d+)\//);
  const pid = await pidOf(program);
  onCleanup(() => {
    if (existsSync(`/proc/${pid}`)) process.kill(pid, 'SIGKILL');
  });
  return { program, pid, port: Number(port) };
}

/** The output, with a word in place of the erase sequence. */
function shown({ output }: Program): string {
  return output.replaceAll('\r\u001b[K', '<erased>');
}

/** The last line of the screen. */
function lastLine(program: Program): string {
  return (
    shown(program)
      .split(/\r\n|<erased>/)
      .at(-1) ?? ''
  );
}

describeWith('script')('a command on a terminal', () => {
  test('shows one line with the number of open tunnels and their bytes', async () => {
    const { port: target } = await startEcho();
    const { program, port } = await startOnTerminal(['0', String(target), '--verbose']);
    await holds(() => expect(lastLine(program)).toBe('0 tunnels  in 0 B/s  out 0 B/s'));
    const client = await openRaw(port);
    client.send(frame(2, Buffer.alloc(50_000)));
    await client.payload(50_000);
    await holds(() =>
      expect(shown(program)).toMatch(/<erased>1 tunnel {2}in \d+(\.\d)? kB\/s {2}out \d+(\.\d)? kB\/s/),
    );
    // The status line stays below the printed lines, and does not change without traffic.
    await holds(() => expect(lastLine(program)).toBe('1 tunnel  in 0 B/s  out 0 B/s'));
    client.send(closeFrame(1000)).socket.end();
    await holds(() => expect(shown(program)).toMatch(/<erased>close {3}127\.0\.0\.1 .*\r\n/));
    await holds(() => expect(lastLine(program)).toBe('0 tunnels  in 0 B/s  out 0 B/s'));
  });

  test('reports a refused tunnel', async () => {
    const backend = await startEcho();
    backend.server.close();
    const { program, port } = await startOnTerminal(['0', String(backend.port)]);
    await expect(openRaw(port)).rejects.toThrow('502');
    await program.prints(/refuse {2}127\.0\.0\.1 \/tunnel: 502 /);
  });

  test('issue 13, case 23: --log - writes above the status line and not into it', async () => {
    const backend = await startEcho();
    backend.server.close();
    const { program, port } = await startOnTerminal(['0', String(backend.port), '--log', '-']);
    await holds(() => expect(lastLine(program)).toMatch(/^0 tunnels /));
    await expect(openRaw(port)).rejects.toThrow('502');
    await program.prints(/"event":"refuse".*\r\n/);
    await holds(() => expect(lastLine(program)).toMatch(/^0 tunnels /));
    const events = shown(program).match(/^.*"event":.*$/gm) ?? [];
    expect(events.length).toBeGreaterThan(0);
    for (const line of events) expect(line).toMatch(/(^|<erased>)\{[^<]*\}\r?$/);
  });

  test('drains at Ctrl-C and removes the status line', async () => {
    const { port: target } = await startEcho();
    const { program, pid, port } = await startOnTerminal(['0', String(target)]);
    const client = await openRaw(port);
    await holds(() => expect(lastLine(program)).toMatch(/^1 tunnel /));
    // The signal is sent directly, because `script` does not forward SIGINT.
    process.kill(pid, 'SIGINT');
    expect(await client.close()).toMatchObject({ code: 1001 });
    client.send(closeFrame(1001)).socket.end();
    await until(() => program.process.exitCode !== null);
    expect(program.process.exitCode).toBe(0);
    expect(program.output).toMatch(/closing 1 tunnel; signal again to end at once/);
    expect(lastLine(program)).toBe('');
  });

  test('reads its settings again at SIGHUP, unless the terminal is gone', async () => {
    const { port: target } = await startEcho();
    const { program, pid, port } = await startOnTerminal(['0', String(target)]);
    process.kill(pid, 'SIGHUP');
    await program.prints(/settings were reloaded/);
    program.process.kill('SIGKILL');
    await until(async () => !(await accepts({ port })));
  });
});

async function pidOf({ process: child }: Program): Promise<number> {
  const children = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8');
  return Number(children.trim());
}

import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../../support/cleanup.js';
import { CLI, end, files, runCommand } from '../../support/command.js';
import { describeWith, Program } from '../../support/programs.js';
import { accepts, startBackend, startTunnel } from '../../support/servers.js';
import { holds, until } from '../../support/wait.js';

/** A program that connects to the port in an argument, sends `text`, and prints the answer. */
const ASK = `
const socket = require('node:net').connect(process.env.WSTUNNEL_LOCAL_PORT, '127.0.0.1');
socket.write('question');
socket.once('data', (bytes) => { console.log('got ' + bytes); process.exit(7); });
socket.on('error', (error) => { console.log(error.code); process.exit(8); });`;

const node = (script: string) => [process.execPath, '-e', script];

/** Starts connect with a program after `--`, on pipes. */
function start(url: string, program: readonly string[]): Program {
  return new Program(process.execPath, [CLI, 'connect', url, '--local', '0', '--', ...program]);
}

async function exitOf({ process: child }: Program): Promise<number | string | null> {
  await until(() => child.exitCode !== null || child.signalCode !== null);
  return child.exitCode ?? child.signalCode;
}

describe('issue 13, case 11: a program after --', () => {
  test("starts once the port listens, and its exit code becomes the command's", async () => {
    const { url, tunnel } = await startTunnel();
    const run = await runCommand(['connect', url, '--local', '0', '--', ...node(ASK)]);
    expect(run).toEqual({ code: 7, stdout: 'got question\n', stderr: '' });
    expect(tunnel.stats()).toMatchObject({ open: 0, opened: 1 });
  });

  test('gets its arguments unchanged, also those that look like options of the command, and the local address', async () => {
    const print = 'console.log(JSON.stringify([process.argv.slice(1), process.env.WSTUNNEL_LOCAL]))';
    const program = [...node(print), '--', '--local', '-v', '--', 'a b'];
    const { stdout, code } = await runCommand([
      'connect',
      'ws://127.0.0.1:1/',
      '--local',
      '0',
      '--',
      ...program,
    ]);
    expect(code).toBe(0);
    const [args, where] = JSON.parse(stdout) as [string[], string];
    expect(args).toEqual(['--local', '-v', '--', 'a b']);
    expect(where).toMatch(/^127\.0\.0\.1:\d+$/);
  });

  test('delivers its last bytes although it exits at once', async () => {
    const backend = await startBackend();
    const { url } = await startTunnel({ server: { port: backend.port } });
    const script = `const socket = require('node:net').connect(process.env.WSTUNNEL_LOCAL_PORT, '127.0.0.1', () =>
      socket.write(Buffer.alloc(300_000, 'x'), () => process.exit(0)));`;
    const run = await runCommand(['connect', url, '--local', '0', '--', ...node(script)]);
    expect(run).toEqual({ code: 0, stdout: '', stderr: '' });
    await until(() => backend.received().length === 300_000);
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGKILL', 137],
    ['SIGSEGV', 139],
  ])('that %s ends: the command exits with %i', async (signal, code) => {
    const run = await runCommand([
      'connect',
      'ws://127.0.0.1:1/',
      '--local',
      '0',
      '--',
      ...node(`process.kill(process.pid, '${signal}')`),
    ]);
    expect(run.code).toBe(code);
  });

  test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)(
    'receives %s when the command does',
    async (signal) => {
      const script = `process.on('${signal}', () => { console.log('got it'); process.exit(9); });
      console.log('ready'); setInterval(() => undefined, 1000);`;
      const program = start('ws://127.0.0.1:1/', node(script));
      await program.prints(/ready/);
      program.process.kill(signal);
      expect(await exitOf(program)).toBe(9);
      expect(program.output).toBe('ready\ngot it\n');
    },
  );

  test('makes the command exit with 127 if the program is missing, and with 126 if execution fails', async () => {
    const { plain } = await files({ plain: 'no program' });
    const run = (name: string) => runCommand(['connect', 'ws://127.0.0.1:1/', '--local', '0', '--', name]);
    expect(await run('wstunnel-no-such-program')).toEqual({
      code: 127,
      stdout: '',
      stderr: `express-wstunnel: can't run "wstunnel-no-such-program": there is no such program\n`,
    });
    expect(await run(plain!)).toMatchObject({
      code: 126,
      stderr: `express-wstunnel: can't run "${plain!}": permission denied\n`,
    });
  });

  test('does not start when the port is in use', async () => {
    const { port } = await startBackend();
    const { code, stdout } = await runCommand([
      'connect',
      'ws://x/',
      '--local',
      String(port),
      '--',
      'echo',
      'ran',
    ]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
  });

  test.each([
    [['ws://x/', '--', 'true'], /a program after -- needs --local/],
    [['ws://x/', '--local', '0', '--'], /give a program after --, such as/],
    [['ws://x/', '--local', '0', '--background', '--', 'true'], /either --background or a program/],
    [['--', 'ws://x/'], /give a URL/],
    [['ws://x/', '--background'], /--background needs --local/],
    [['ws://x/', '--local', '0', '--no-close'], /--no-close is for --stdio/],
    [['ws://x/', '--local', '0', '--linger', '1'], /--linger is for --stdio/],
    [['ws://x/', '--linger', '1', '--no-close'], /either --linger or --no-close/],
    [['ws://x/', '--linger', 'soon'], /--linger must be a number of seconds/],
    [['ws://x/', '--linger', '100000'], /--linger must be at most 86400 seconds/],
  ])('a wrong command line exits with 2: %j', async (args, line) => {
    const { code, stderr } = await runCommand(['connect', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(line);
  });
});

describeWith('script')('issue 13, case 11: a program after -- on a terminal', () => {
  test('owns the terminal: Ctrl-C reaches the program once, and does not end the command', async () => {
    const script = `process.on('SIGINT', () => console.log('interrupted'));
      process.stdin.on('data', (line) => { console.log('read ' + line); if (/end/.test(line)) process.exit(3); });
      console.log('tty ' + process.stdin.isTTY);`;
    const { script: file } = await files({ script });
    const line = [
      process.execPath,
      CLI,
      'connect',
      'ws://127.0.0.1:1/',
      '--local',
      '0',
      '--',
      process.execPath,
      file!,
    ];
    const program = new Program('script', ['-qefc', `exec ${line.join(' ')}`, '/dev/null'], {}, 'pipe');
    await program.prints(/tty true/);
    const interrupted = () => program.output.match(/interrupted/g)?.length ?? 0;
    for (const times of [1, 2, 3]) {
      program.process.stdin?.write('\u0003');
      await until(() => interrupted() >= times);
      // A second, forwarded SIGINT would arrive before the answer to the next line.
      program.process.stdin?.write('line\n');
      await until(() => (program.output.match(/read line/g)?.length ?? 0) >= times);
    }
    expect(interrupted()).toBe(3);
    program.process.stdin?.write('end\n');
    expect(await exitOf(program)).toBe(3);
    // The status line with the number of tunnels is not printed either.
    expect(program.output).not.toMatch(/tunnel/);
  });
});

describe('issue 13, case 11: --background', () => {
  test("returns once the port listens, prints the process id, and survives SIGHUP and the parent's end", async () => {
    const { url, tunnel } = await startTunnel();
    // `runCommand` would not return if the background process kept an inherited pipe open.
    const { code, stdout, stderr } = await runCommand(['connect', url, '--local', '0', '--background']);
    const pid = Number(stdout);
    onCleanup(() => end(pid));
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\n$/);
    const [, port = ''] = /^express-wstunnel: listening on 127\.0\.0\.1:(\d+) for .*\n$/.exec(stderr) ?? [];
    const socket = connect(Number(port), '127.0.0.1');
    socket.write('x');
    await once(socket, 'data');
    process.kill(pid, 'SIGHUP');
    socket.write('y');
    await once(socket, 'data');
    expect(tunnel.stats().open).toBe(1);
    socket.resume();
    process.kill(pid, 'SIGTERM');
    await holds(async () => expect(await accepts({ port: Number(port) })).toBe(false));
    await holds(() => expect(tunnel.stats().closed).toEqual({ 1001: 1 }));
  });

  test('prints why the process cannot listen, and exits with the corresponding code', async () => {
    const { port } = await startBackend();
    const { code, stdout, stderr } = await runCommand([
      'connect',
      'ws://x/',
      '--local',
      String(port),
      '--background',
    ]);
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' });
    expect(stderr).toBe(`express-wstunnel: can't listen on 127.0.0.1:${port}: it is already in use\n`);
  });

  test('keeps writing messages when standard error is a file', async () => {
    const { url } = await startTunnel({ authenticate: () => false });
    const { log } = await files({ log: '' });
    const line = `'${process.execPath}' '${CLI}' connect '${url}' --local 0 --background 2>> '${log!}'`;
    const program = new Program('sh', ['-c', line]);
    const [, pid = ''] = await program.prints(/^(\d+)\n/);
    onCleanup(() => end(Number(pid)));
    const [, port = ''] = /listening on 127\.0\.0\.1:(\d+)/.exec(await readFile(log!, 'utf8')) ?? [];
    connect(Number(port), '127.0.0.1').on('error', () => undefined);
    await holds(async () => expect(await readFile(log!, 'utf8')).toMatch(/was refused: 401/));
  });

  test('reads a login from a pipe once, and keeps it off every command line', async () => {
    const seen: (string | undefined)[] = [];
    const { url } = await startTunnel({
      authenticate: ({ headers }) => {
        seen.push(headers.authorization);
        return true;
      },
    });
    const line = `echo the-token | '${process.execPath}' '${CLI}' connect '${url}' --local 0 --background --bearer /dev/stdin`;
    const program = new Program('sh', ['-c', line]);
    const [, port = ''] = await program.prints(/127\.0\.0\.1:(\d+) for/);
    const pid = Number((await program.prints(/^(\d+)$/m))[1]);
    onCleanup(() => end(pid));
    if (process.platform === 'linux')
      expect(await readFile(`/proc/${pid}/cmdline`, 'utf8')).not.toContain('the-token');
    const socket = connect(Number(port), '127.0.0.1');
    onCleanup(() => socket.destroy());
    socket.write('x');
    await once(socket, 'data');
    expect(seen).toEqual(['Bearer the-token']);
  });
});

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { rename, stat } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_DRAIN } from '../../src/command/drain.js';
import { onCleanup } from '../support/cleanup.js';
import { CLI, files, runCommand, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { listen, portOf, startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';

/** Seconds between Docker's SIGTERM and SIGKILL. */
const DOCKER = 10;

const CAN_BE_FIRST = canBeFirst();

/** Can the current user make a PID namespace? */
function canBeFirst(): boolean {
  try {
    execFileSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { stdio: 'ignore', timeout: 5000 });
    return true;
  } catch {
    return false;
  }
}

/** A configuration whose program starts and ends with each tunnel. */
const spawning = (script: string) =>
  JSON.stringify({
    listen: '0',
    server: { spawn: { path: 'sh', args: ['-c', script, '{socket}'], idleTimeout: 0 } },
  });
const ECHO = 'exec socat "UNIX-LISTEN:$0,fork" EXEC:cat';

describe('issue 13, case 14: the end of a command in a container', () => {
  test.skipIf(!CAN_BE_FIRST && !process.env.WSTUNNEL_SPEC_NO_SKIP)(
    'as process 1 the command says at the start that its programs need an init',
    async () => {
      const { 'desk.json': file } = await files({ 'desk.json': spawning(ECHO) });
      const first = [process.execPath, CLI, '--config', file!];
      const program = new Program('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', ...first]);
      await program.prints(/warning: this is process 1, and it starts programs: .* --init/);
      // The warning is absent if the command is not process 1, or starts no programs.
      expect((await startCommand(['--config', file!])).program.output).not.toMatch(/process 1/);
      const without = [process.execPath, CLI, '0', '5900'];
      const other = new Program('unshare', ['--pid', '--fork', '--kill-child', '--mount-proc', ...without]);
      await other.prints(/listening on/);
      await other.stop();
      expect(other.output).not.toMatch(/process 1/);
    },
  );

  test('SIGTERM ends the command before Docker would kill it, although client and program ignore it', async () => {
    expect(DEFAULT_DRAIN + 1).toBeLessThan(DOCKER);
    const deaf = `trap "" TERM; socat "UNIX-LISTEN:$0,fork" EXEC:cat & wait; sleep 60`;
    const { 'desk.json': file } = await files({ 'desk.json': spawning(deaf) });
    const command = await startCommand(['--config', file!, '--drain', '5']);
    const client = await openRaw(command.port);
    await echoes(client);
    const since = performance.now();
    command.program.process.kill('SIGTERM');
    expect(await client.close()).toMatchObject({ code: 1001 });
    expect(await command.exit()).toBe(0);
    // Five seconds of --drain and one for the program. The usual five for a program would add up to Docker's ten.
    expect(performance.now() - since).toBeLessThan(9000);
  });

  test('--drain, also in JSON, gives tunnels more time', async () => {
    const { port: target } = await startEcho();
    for (const text of ['-1', '3601', 'x', '90000'])
      expect(await runCommand(['0', String(target), `--drain=${text}`])).toMatchObject({ code: 2 });
    const { 'desk.json': file } = await files({
      'desk.json': JSON.stringify({ listen: '0', server: { port: target }, drain: 0 }),
    });
    const command = await startCommand(['--config', file!]);
    const client = await openRaw(command.port);
    command.program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(0);
    client.socket.destroy();
  });
});

describe('issue 13, case 14: a program whose socket folder cannot be created', () => {
  test('makes the command fail at the start, with the folder and the reason', async () => {
    const { 'desk.json': file } = await files({ 'desk.json': spawning(ECHO) });
    const run = (folder: string) => runCommand(['--config', file!], { TMPDIR: folder });
    const none = await run('/nonexistent');
    expect(none.code).toBe(3);
    expect(none.stderr).toMatch(
      /desk\.json:1:\d+: server\.spawn needs a folder .*; got '\/nonexistent' \(ENOENT.*\); set TMPDIR\n$/,
    );
    expect((await run(file!)).stderr).toMatch(/\(ENOTDIR|\(EACCES|\(it is not a folder\)/);
    const long = await run(`/tmp/${'x'.repeat(90)}`);
    expect(long).toMatchObject({ code: 3 });
    expect(long.stderr).toMatch(/more than 79 bytes/);
  });
});

describe('issue 13, case 14: sockets inherited at the start', () => {
  /** Starts the command as systemd does, with a listening socket on descriptor 3. */
  async function startWith(fd: number, args: readonly string[], env: Record<string, string> = {}) {
    const child = spawn(process.execPath, [CLI, ...args], {
      stdio: ['ignore', 'pipe', 'pipe', fd],
      env: { ...process.env, ...env },
    });
    onCleanup(() => child.kill('SIGKILL'));
    let output = '';
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await holds(() => expect(output + String(child.exitCode ?? '')).toMatch(/listening on|\d$/));
    return { child, output: () => output };
  }

  const fdOf = (server: object) => (server as { _handle: { fd: number } })._handle.fd;

  test('an inherited TCP socket carries tunnels, and --allow sees client addresses', async () => {
    const { port: target } = await startEcho();
    const server = createServer((socket) => socket.destroy());
    await listen(server);
    const port = portOf(server);
    const { output } = await startWith(fdOf(server), [
      '--listen',
      'fd:3',
      String(target),
      '--allow',
      '127.0.0.1',
    ]);
    expect(output()).toBe(
      `express-wstunnel: listening on http://127.0.0.1:${port}/ for 127.0.0.1:${target}\n`,
    );
    server.close();
    await echoes(await openRaw(port));
  });

  test('an inherited unix socket carries tunnels, and its file stays when the command ends', async () => {
    const { port: target } = await startEcho();
    const { folder } = await files({});
    const path = join(folder!, 'desk.sock');
    const server = createServer();
    await listen(server, `${path}~`);
    const { child, output } = await startWith(fdOf(server), [
      ...['--listen', 'fd:3', '--drain', '0', String(target)],
    ]);
    expect(output()).toMatch(/listening on fd:3 for/);
    // From here on only the command accepts. Node removes the socket file of a closed server, hence the rename.
    await rename(`${path}~`, path);
    server.close();
    await echoes(await openRaw(connect(path)));
    child.kill('SIGTERM');
    await once(child, 'exit');
    expect((await stat(path)).isSocket()).toBe(true);
  });

  test('an inherited unix socket with --allow is refused, since its clients have no address', async () => {
    const { folder } = await files({});
    const server = createServer();
    await listen(server, join(folder!, 'desk.sock'));
    const args = ['--listen', 'fd:3', '5900', '--allow', '127.0.0.1'];
    const { child, output } = await startWith(fdOf(server), args);
    expect(output()).toMatch(/allow needs the client's address/);
    expect(child.exitCode).toBe(2);
    server.close();
  });

  test.each<[string, Record<string, string>, RegExp]>([
    ['fd:3', {}, /can't listen on fd:3: this process was not started with a socket at this descriptor/],
    ['fd:0', {}, /can't listen on fd:0: the socket is connected, or is not a stream socket/],
    ['fd:3', { LISTEN_PID: '1', LISTEN_FDS: '1' }, /the passed sockets are for process 1: .* without npx/],
  ])('%s with %j', async (address, env, line) => {
    const { code, stderr } = await runCommand(['--listen', address, '5900'], env);
    expect(stderr).toMatch(line);
    expect(code).toBe(4);
  });
});

describeWith('systemd-socket-activate')('issue 13, case 14: systemd-socket-activate', () => {
  test('starts the command at the first connection', async () => {
    const { port: target } = await startEcho();
    const { folder } = await files({});
    const path = join(folder!, 'desk.sock');
    const command = [process.execPath, CLI, '--listen', 'fd:3', String(target)];
    const program = new Program('systemd-socket-activate', ['--listen', path, ...command]);
    await program.prints(/Listening on/);
    await echoes(await openRaw(connect(path)));
    await program.prints(/listening on fd:3 for/);
    await program.stop();
    expect(statSync(path).isSocket()).toBe(true);
  });
});

describe('issue 13, case 23: the file of a unix socket', () => {
  const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8);

  test('has the mode and the group of the options, whatever the umask', async () => {
    const { folder, 'desk.json': file } = await files({ 'desk.json': '' });
    const own = process.getgid!();
    const group = execFileSync('id', ['-gn'], { encoding: 'utf8' }).trim();
    for (const [index, given] of [group, String(own)].entries()) {
      const path = join(folder!, `desk${index}.sock`);
      await startCommand(['--unix', path, '5900', '--unix-mode', '660', '--unix-group', given]);
      expect(await modeOf(path)).toBe('660');
      expect((await stat(path)).gid).toBe(own);
    }
    const path = join(folder!, 'json.sock');
    const options = { listen: `unix:${path}`, server: { port: 5900 }, unixMode: '0622', unixGroup: group };
    execFileSync('tee', [file!], { input: JSON.stringify(options) });
    await startCommand(['--config', file!]);
    expect(await modeOf(path)).toBe('622');
  });

  test.each([
    [['0', '5900', '--unix-mode', '660'], /--unix-mode needs --unix/],
    [['0', '5900', '--unix-group', '0'], /--unix-group needs --unix/],
    [
      ['--unix', 'x', '5900', '--unix-mode', '9'],
      /--unix-mode must be three octal digits, such as 660 .*; got "9"/,
    ],
    [['--unix', 'x', '5900', '--unix-mode', 'u+rw'], /--unix-mode must be .*; got "u\+rw"/],
    [
      ['--unix', 'x', '5900', '--unix-group', 'no-such-group'],
      /--unix-group must be a group .*; got "no-such-group"/,
    ],
    [['--unix', 'x', '5900', '--unix-group', 'a:b\n'], /--unix-group must be a group .*; got "a:b\\u000a"/],
  ])('%j', async (args, line) => {
    const { code, stderr } = await runCommand(args);
    expect(stderr).toMatch(line);
    expect(code).toBe(2);
  });

  test('in a missing folder is reported as a missing folder, not as a matter of permissions', async () => {
    const { folder, file } = await files({ file: '' });
    const missing = join(folder!, 'none');
    for (const args of [
      ['--unix', join(missing, 's'), '5900'],
      ['connect', 'ws://127.0.0.1:1/', '--local', `unix:${missing}/s`],
    ]) {
      const { code, stderr } = await runCommand(args);
      expect(stderr).toMatch(`can't listen on unix:${missing}/s: the folder ${missing} does not exist\n`);
      expect(code).toBe(4);
    }
    expect((await runCommand(['--unix', join(file!, 's'), '5900'])).stderr).toMatch(/no such file or folder/);
  });

  test.runIf(existsSync('/sys/kernel'))(
    'in a folder of another user is reported as a matter of permissions',
    async () => {
      // Not even root can create files in /sys/kernel.
      const { stderr } = await runCommand(['--unix', '/sys/kernel/s', '5900']);
      expect(stderr).toMatch(/permission denied/);
    },
  );
});

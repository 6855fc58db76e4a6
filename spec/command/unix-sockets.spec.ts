import { once } from 'node:events';
import { existsSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { CLI, files, runCommand, startCommand } from '../support/command.js';
import { Program } from '../support/programs.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { listen, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

describe('issue 13, case 6: connect --local unix:PATH', () => {
  const start = (url: string, path: string) =>
    new Program(process.execPath, [CLI, 'connect', url, '--local', `unix:${path}`]);

  test('starts again after kill -9', async () => {
    const { url } = await startTunnel();
    const { folder } = await files({});
    const path = join(folder!, 'desk.sock');
    const first = start(url, path);
    await first.prints(/listening on unix:/);
    first.process.kill('SIGKILL');
    await until(() => first.process.signalCode !== null);
    expect(statSync(path).isSocket()).toBe(true);
    const second = start(url, path);
    await second.prints(/listening on unix:/);
    const socket = connect(path);
    socket.write('x');
    expect(String(((await once(socket, 'data')) as [Buffer])[0])).toBe('x');
    socket.destroy();
    // A third process cannot replace the socket of the second.
    const { code, stderr } = await runCommand(['connect', url, '--local', `unix:${path}`]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/can't listen on unix:.*\/desk\.sock: it is already in use/);
  });

  test('refuses a path above the length limit with exit code 4, as listen does', async () => {
    const { folder } = await files({});
    const path = join(folder!, 'x'.repeat(120));
    const { code, stderr } = await runCommand(['connect', 'ws://x/', '--local', `unix:${path}`]);
    expect(code).toBe(4);
    expect(stderr).toMatch(/x: a socket path has at most 10[37] bytes\n$/);
  });
});

describe('issue 13, case 14: abstract sockets', () => {
  const name = `@wstunnel-command-${process.pid}`;

  test.each([
    [['--unix', name, '5900']],
    [['--listen', `unix:${name}`, '5900']],
    [[`unix:${name}`, '5900']],
    [['connect', 'ws://x/', '--local', `unix:${name}`]],
  ])('cannot be listened on: %j', async (args) => {
    const { code, stderr } = await runCommand(args);
    expect(code).toBe(2);
    expect(stderr).toContain(`can't listen on "unix:${name}": an abstract socket has no permissions`);
    expect(existsSync(name)).toBe(false);
  });

  test('cannot be listened on by a configuration file', async () => {
    const made = await files({
      'desk.json': JSON.stringify({ listen: [`unix:${name}`], server: { port: 1 } }),
      'lighttpd.conf': `server.bind = "${name}"\nwstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )`,
    });
    for (const file of ['desk.json', 'lighttpd.conf']) {
      const { code, stderr } = await runCommand(['--config', made[file]!]);
      expect(code).toBe(3);
      expect(stderr).toMatch(/:1:\d+: .*an abstract socket has no permissions/);
    }
  });

  test.runIf(process.platform === 'linux')('can be a target, in every place that takes one', async () => {
    const server = createServer((socket) => socket.on('error', () => undefined).pipe(socket));
    await listen(server, `\0${name.slice(1)}`);
    const made = await files({
      tokens: `abc: unix:${name}\n`,
      'desk.json': JSON.stringify({ server: { socket: name } }),
      'lighttpd.conf': `server.bind = "127.0.0.1"\nwstunnel.server = ( "" => ( ( "socket" => "${name}" ) ) )`,
    });
    const ways: [string[], string][] = [
      [['--listen', '0', `unix:${name}`], '/'],
      [['--listen', '0', '--tokens', made.tokens!], '/?token=abc'],
      [['--listen', '0', '--config', made['desk.json']!], '/'],
      [['--listen', '0', '--config', made['lighttpd.conf']!], '/'],
    ];
    for (const [args, path] of ways) {
      const command = await startCommand(args);
      await echoes(await openRaw(command.port, path));
    }
  });
});

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { files, runCommand } from '../support/command.js';
import { accepts, closedPort } from '../support/servers.js';

describe('issue 13, case 18: --check-config', () => {
  test('JSON: every problem is listed with its position, in file order, and the exit code is 3', async () => {
    const { 'c.json': file } = await files({
      'c.json': `{
  "listen": "x",
  "url": "^/(",
  "server": { "/a": "127.0.0.1:5900", "/b": { "port": "x", "wieght": 3 }, "/c": ["unix:s", "nonsense"] },
  "rules": [{ "alow": ["::1"] }, { "when": { "url": { "matches": "(" } }, "server": { "port": 70000 } }],
  "verbose": "yes",
  "ping": 3, "log": "x",
  "log": "y"
}`,
    });
    const { code, stdout, stderr } = await runCommand(['--check-config', '--config', file!]);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    const lines = stderr
      .trimEnd()
      .split('\n')
      .map((line) => line.replace(`express-wstunnel: ${file}:`, ''));
    expect(lines.map((line) => line.split(' ', 3).join(' '))).toEqual([
      '2:13: listen is',
      '3:10: url: "^/("',
      '4:55: server["/b"].port must',
      '4:60: server["/b"] has',
      '4:92: server["/c"][1]: "nonsense"',
      '5:15: rules[0] has',
      '5:66: rules[1].when.url.matches: "("',
      '5:95: rules[1].server.port must',
      '6:14: verbose must',
      '7:3: the file',
      '8:3: "log" is',
    ]);
  });

  test('a lighttpd.conf and its includes: the list is the one that a start prints', async () => {
    const made = await files({
      'l.conf': 'auth.require = ()\ninclude "*.inc"\n',
      'a.inc': '\n  proxy.server = ()\n',
      'b.inc': 'wstunnel.server = ( "" => ( ( "port" => 1 ) ) )',
    });
    const args = ['--config', made['l.conf']!];
    const [checked, started] = [await runCommand([...args, '--check-config']), await runCommand(args)];
    expect(checked).toEqual(started);
    expect(checked.code).toBe(3);
    expect(checked.stderr.match(/[\w.]+:\d+:\d+/g)).toEqual(['l.conf:1:1', 'a.inc:2:3', 'b.inc:1:29']);
  });

  test('every file that the settings name is read, and warnings do not change the exit code', async () => {
    const { cert, key } = makeCertificate();
    const made = await files({
      cert,
      other: makeCertificate().key,
      login: 'ann:x\n',
      'tokens.d': 'a b\n',
      key,
    });
    const bad = await runCommand(
      [
        ...['--check-config', '0', '--cert', made.cert!, '--key', made.other!, '--auth', made.login!],
        ...[
          '--auth',
          join(made.folder!, 'none'),
          '--web',
          join(made.folder!, 'none'),
          '--tokens',
          made['tokens.d']!,
        ],
        ...['--user', 'nobody-such', '--trust-proxy', 'x', '--listen', ':0'].filter((one) => one !== '0'),
      ].filter((one) => one !== '0'),
    );
    expect(bad.code).toBe(3);
    for (const line of [
      /other: this key does not belong to/,
      /login:1: a login must be/,
      /none: there is no such file/,
      /--user: this machine has no user "nobody-such"/,
      /--trust-proxy must list addresses/,
    ])
      expect(bad.stderr).toMatch(line);

    const good = await runCommand([
      '--check-config',
      '--listen',
      ':0',
      '5900',
      '--cert',
      made.cert!,
      '--key',
      made.key!,
    ]);
    expect(good).toMatchObject({ code: 0, stdout: 'the command line: no errors\n' });
    expect(good.stderr).toMatch(/warning: every client that can reach :0 may open a tunnel/);
  });

  test('checking listens on no port, runs no program and writes no file', async () => {
    const port = await closedPort();
    const made = await files({ 'c.json': '' });
    const { 'c.json': file, folder } = await files({
      'c.json': JSON.stringify({
        listen: port,
        log: 'events.log',
        server: {
          spawn: {
            path: process.execPath,
            args: ['-e', `fs.writeFileSync(${JSON.stringify(made['c.json'])}, 'ran')`],
            minProcs: 1,
          },
        },
      }),
    });
    const { code, stdout } = await runCommand(['--check-config', '--config', file!]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${file}: no errors\n` });
    expect(existsSync(join(folder!, 'events.log'))).toBe(false);
    expect(await accepts({ port })).toBe(false);
  });

  test('a wrong command line exits with 2', async () => {
    const { code, stderr } = await runCommand(['--check-config', '--piing', '3', '5900']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/did you mean --ping/);
  });
});

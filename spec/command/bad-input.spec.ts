import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { version } from '../../src/helpers/version.js';
import { makeCertificate } from '../support/certificate.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { accepts, closedPort, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const SERVER = 'wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )';

/** Expects a single line without a stack trace. */
async function says(args: readonly string[], code: number, line: RegExp): Promise<string> {
  const run = await runCommand(args);
  expect(run.stderr).toMatch(/^express-wstunnel: .*\n$/);
  expect(run.stderr).toMatch(line);
  expect(run.stderr).not.toMatch(/\.js:\d+| {4}at /);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: '' });
  return run.stderr;
}

describe('a wrong command line exits with 2', () => {
  test.each([
    [[], /give a TARGET, such as 127\.0\.0\.1:5900/],
    [['--wbe', 'x'], /no option --wbe; did you mean --web\?/],
    [['-x'], /no option -x/],
    [['--port', '5900'], /no option --port; did you mean --listen\?/],
    [['--ssl', 'x', '5900'], /no option --ssl; did you mean --cert\?/],
    [['conect', 'ws://x'], /no command conect; did you mean connect\?/],
    [['5900x'], /"5900x" is not a target/],
    [['0', 'tls:x'], /"tls:x" is not a target/],
    [['0', 'h:70000'], /"h:70000" is not a target/],
    [['65536', '5900'], /"65536" is not a listen address/],
    [['::1:80', '5900'], /"::1:80" is not a listen address/],
    [['0', '5900', '--web'], /--web needs a value: DIR/],
    [['0', '5900', '--web', '--verbose'], /--web needs a value: DIR/],
    [['0', '5900', '--verbose=1'], /--verbose takes no value/],
    [['0', '5900', '--ping', '3000'], /--ping must be .*did you mean 3\?/],
    [['0', '5900', '--idle', 'never'], /--idle must be .*got 'never'/],
    [['0', '5900', '--pong', '20000'], /--pong must be .*did you mean 20\?/],
    [['0', '5900', '--ping', '1', '--ping', '2'], /--ping may be given only once/],
    [['0', '5900', '--balance', 'stick'], /did you mean "sticky"\?/],
    [['0', '5900', '--allow', '10.0.0.0/33'], /--allow .*10\.0\.0\.0\/33/],
    [['0', '5900', '--origin', 'ftp://x'], /--origin .*ftp:\/\/x/],
    [['0', '5900', '--url', 'vnc'], /--url .*vnc/],
    [['0', '5900', '--url', '^('], /--url: "\^\(" is not a valid regular expression/],
    [['0', '5900', '--trust-proxy', 'x'], /--trust-proxy .*x/],
    [['0', '5900', '--trust-proxy', '1'], /--trust-proxy must list addresses, .*1/],
    [['0', '5900', '--key', 'k'], /--key needs --cert/],
    [['0', '5900', '--client-ca', 'k'], /--client-ca needs --cert/],
    [['0', '5900', '--tokens', 't'], /either a TARGET or --tokens/],
    [['0', '5900', '--ignore', 'ssl.*'], /--ignore needs --config with a lighttpd\.conf/],
  ])('%j', async (args, line) => {
    await says(args, 2, line);
  });
});

describe('a missing or invalid file exits with 3', () => {
  const { cert, key } = makeCertificate();
  const bad: [name: string, content: string | Uint8Array, args: (file: string) => string[], line: RegExp][] =
    [
      ['none', '', (file) => ['0', '5900', '--web', `${file}x`], /nonex: there is no such file or folder/],
      ['file', '', (file) => ['0', '5900', '--web', file], /file: it is not a folder/],
      ['cert', 'x', (file) => ['0', '5900', '--cert', file], /cert: there is no certificate in PEM form/],
      ['cert', cert, (file) => ['0', '5900', '--cert', file], /cert: it contains no private key in PEM form/],
      ['key', key, (file) => ['0', '5900', '--cert', file], /key: there is no certificate in PEM form/],
      [
        'a',
        'ann:{SHA}x\n',
        (file) => ['0', '5900', '--auth', file],
        /a:1: a login must be "name:hash" with a bcrypt hash/,
      ],
      [
        'a',
        `ann:$2a$03$${'a'.repeat(53)}\n`,
        (file) => ['0', '5900', '--auth', file],
        /a:1: the cost of a bcrypt hash must be 4 to 14/,
      ],
      ['a', '', (file) => ['0', '5900', '--auth', file], /a: it contains no login/],
      [
        'a',
        '\n',
        (file) => ['0', '5900', '--auth', `ann:${file}`],
        /the password of "ann" must be the first line of its file/,
      ],
      [
        'c.json',
        '{\n "rules": [{ "allow": ["::1"],\n  "allow": ["::2"] }]\n}',
        (file) => ['--config', file],
        /c\.json:3:3: "allow" is set twice/,
      ],
      [
        't',
        '# desks\nb c\n',
        (file) => ['--listen', '0', '--tokens', file],
        /t:2: a line must be "token: HOST:PORT"/,
      ],
      [
        't',
        'a: desk\na: 2x\n',
        (file) => ['--listen', '0', '--tokens', file],
        /t:1: the target must be HOST:PORT/,
      ],
      ['log', '', (file) => ['0', '5900', '--log', join(file, 'x')], /x: there is no such file or folder/],
      ['c.json', '', (file) => ['--config', file], /c\.json:1:1: invalid JSON/],
      [
        'c.json',
        '{\n  "web": "."\n  "x"',
        (file) => ['--config', file],
        /c\.json:3:3: invalid JSON: comma expected/,
      ],
      ['c.json', '[]', (file) => ['--config', file], /c\.json:1:1: .*must be an object/],
      ['c.json', '\uFEFF[]', (file) => ['--config', file], /c\.json:1:1: .*must be an object/],
      [
        'c.json',
        '{ "sever": 1 }',
        (file) => ['--config', file],
        /c\.json:1:3: the file has no "sever"; did you mean "server"\?/,
      ],
      [
        'c.json',
        '{\n "server": [{ "port": 1 },\n  { "port": 70000 }]\n}',
        (file) => ['--config', file],
        /c\.json:3:13: server\[1\]\.port must be a whole number/,
      ],
      ['c.json', '{ "listen": "x" }', (file) => ['--config', file], /c\.json:1:13: listen is PORT/],
      ['c.json', '{ "auth": [1] }', (file) => ['--config', file], /c\.json:1:11: auth must be a string/],
      [
        'c.json',
        '{ "verbose": "yes" }',
        (file) => ['--config', file],
        /c\.json:1:14: verbose must be true or false/,
      ],
      ['c.conf', 'server.port = ', (file) => ['--config', file], /c\.conf:1:\d+: /],
      [
        'c.conf',
        `x = 1\nauth.require = ()\n${SERVER}`,
        (file) => ['--config', file],
        /c\.conf:2:1: auth\.require/,
      ],
      [
        'c.conf',
        'include "none.conf"',
        (file) => ['--config', file],
        /c\.conf:1:\d+: .*none\.conf: there is no such file/,
      ],
    ];
  test('a password given in place of its file does not appear in the message', async () => {
    const line =
      /can't read the password of "ann" from its file: there is no such file.*give the path of a file that contains/;
    expect(await says(['0', '5900', '--auth', 'ann:hunter2'], 3, line)).not.toContain('hunter2');
  });

  test.each(bad)('%s %j', async (name, content, args, line) => {
    const { [name]: file } = await files({ [name]: content });
    await says(args(file!), 3, line);
  });

  test('JSON nested a million levels deep exits with 3', async () => {
    const { 'c.json': file } = await files({ 'c.json': '['.repeat(1_000_000) });
    await says(['--config', file!], 3, /c\.json: the JSON is nested too deeply/);
  });

  test('a log that is a FIFO without a reader exits with 3', async () => {
    const { folder } = await files({});
    const fifo = join(folder!, 'fifo');
    execFileSync('mkfifo', [fifo]);
    await says(['0', '5900', '--log', fifo], 3, /fifo: no program reads from it/);
  });

  test('a key that belongs to another certificate, or is encrypted, exits with 3', async () => {
    const other = makeCertificate();
    const made = await files({
      cert,
      key: other.key,
      locked: '-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n',
    });
    const args = ['0', '5900', '--cert', made.cert!, '--key'];
    await says([...args, made.key!], 3, /key: this key does not belong to .*cert/);
    await says([...args, made.locked!], 3, /locked: the key is encrypted/);
  });

  test('settings of a lighttpd.conf cannot be combined with options of the command line', async () => {
    const { 'l.conf': file } = await files({
      'l.conf': 'wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )',
    });
    for (const [more, line] of [
      [['5900'], /a TARGET can't be combined with a lighttpd\.conf/],
      [['--ping', '5'], /--ping can't be combined with/],
      [['--tokens', 't'], /--tokens can't be combined with/],
    ] as const)
      await says(['--config', file!, ...more], 2, line);
  });
});

describe('a listen address that cannot be used exits with 4', () => {
  test('a port that is in use exits with 4', async () => {
    const { port } = await startEcho();
    const free = await closedPort();
    // The command does not listen on the free address either.
    const args = ['--listen', String(free), '--listen', String(port), '5900'];
    await says(args, 4, new RegExp(`can't listen on 127\\.0\\.0\\.1:${port}: it is already in use`));
    expect(await accepts({ port: free })).toBe(false);
  });

  test('a socket in use, a path that is not a socket, a foreign address and an unknown name exit with 4', async () => {
    const { folder } = await files({ plain: 'precious' });
    const socket = join(folder!, 's');
    await startCommand(['--unix', socket, '5900']);
    await says(['--unix', socket, '5900'], 4, /can't listen on unix:.*\/s: it is already in use/);
    await says(['--unix', join(folder!, 'plain'), '5900'], 4, /plain: it is already in use/);
    await says(
      ['--unix', join(folder!, 'x'.repeat(120)), '5900'],
      4,
      /x: a socket path has at most 103 bytes/,
    );
    mkdirSync(join(folder!, 'd'));
    await says(['--unix', join(folder!, 'd'), '5900'], 4, /\/d: it is already in use/);
    await says(
      ['192.0.2.1:0', '5900'],
      4,
      /192\.0\.2\.1:0: this machine has no such address; the first of two arguments/,
    );
    await says(
      ['none.invalid:0', '5900'],
      4,
      /none\.invalid:0: (unknown host name|the host name lookup failed)/,
    );
  });
});

describeWith('socat')('a datagram socket at the listen path', () => {
  test('counts as in use and is not deleted', async () => {
    const { folder } = await files({});
    const socket = join(folder!, 'datagrams');
    new Program('socat', ['-u', `UNIX-RECV:${socket}`, 'STDOUT']);
    await until(() => existsSync(socket));
    await says(['--unix', socket, '5900'], 4, /datagrams: it is already in use/);
    expect(existsSync(socket)).toBe(true);
  });
});

test('the help goes to stdout and fits a terminal of 24 lines', async () => {
  for (const args of [
    ['--help'],
    ['-h'],
    ['listen', '--help'],
    ['0', '5900', '--help'],
    ['play', '--help'],
  ]) {
    const { code, stdout, stderr } = await runCommand(args);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const lines = stdout.trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  }
  for (const args of [
    ['--help', 'all'],
    ['listen', '--help', 'all'],
    ['connect', '--help', 'all'],
  ]) {
    const { code, stdout } = await runCommand(args);
    expect(code).toBe(0);
    expect(Math.max(...stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  }
  for (const args of [['--version'], ['-V'], ['listen', '--version'], ['connect', '-V'], ['play', '-V']])
    expect(await runCommand(args)).toEqual({ code: 0, stdout: `${version()}\n`, stderr: '' });
});

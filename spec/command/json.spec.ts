import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { files, nameAt, runCommand, startCommand, startNamed } from '../support/command.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { closedPort, listen, portOf, startEcho } from '../support/servers.js';

/** Starts the command with the given JSON configuration, in a folder with the given files. */
async function startWith(config: object, texts: Record<string, string> = {}) {
  const made = await files({ ...texts, 'c.json': '' });
  await writeFile(made['c.json']!, JSON.stringify({ listen: 0, ...config }));
  return { made, ...(await startCommand(['--config', made['c.json']!])) };
}

describe('issue 13, case 10: JSON options mean what the documentation says', () => {
  test('"url": "^/vnc" is a regular expression, at the top, in rules and in conditions', async () => {
    const { port: target } = await startEcho();
    const { port } = await startWith({ url: ['^/vnc\\d+$', '/desk'], server: { port: target } });
    await echoes(await openRaw(port, '/vnc12'));
    await echoes(await openRaw(port, '/desk/1'));
    for (const path of ['/vnc', '/x/vnc1', '/^/vnc1']) expect(await statusOf(port, path), path).toBe(404);

    const rules = await startWith({
      rules: [
        { url: '^/a+$', server: { port: target } },
        { when: { url: '^/b+$' }, server: { port: target } },
        {
          when: { any: [{ query: { matches: '^x=\\d$' } }, { not: { url: { notMatches: '^/c' } } }] },
          server: { port: target },
        },
      ],
    });
    for (const path of ['/aa', '/bb', '/x?x=1', '/cd'])
      expect(await statusOf(rules.port, path), path).toBe(101);
    for (const path of ['/ab', '/bc', '/x?x=10', '/dc'])
      expect(await statusOf(rules.port, path), path).toBe(404);
  });

  test('a relative socket path of `server` is resolved in the folder of the file', async () => {
    const made = await files({ 'c.json': '' });
    await listen(
      createServer((socket) => socket.pipe(socket)),
      join(made.folder!, 's.sock'),
    );
    for (const server of [{ socket: 's.sock' }, 'unix:s.sock', { '/': [{ socket: './s.sock' }] }]) {
      await writeFile(made['c.json']!, JSON.stringify({ listen: 0, server }));
      const { port } = await startCommand(['--config', made['c.json']!]);
      await echoes(await openRaw(port));
    }
  });

  test('relative paths in `tls` are resolved in the folder of the file, and their files are read', async () => {
    const { cert, key } = { cert: String(certificate().cert), key: String(certificate().key) };
    const server = createTls({ cert, key, ca: cert, requestCert: true }, (socket) => {
      socket.on('error', () => undefined).pipe(socket);
    });
    await listen(server);
    const tls = { ca: 'ca.pem', cert: 'own.pem', key: 'own.key' };
    const host = { host: 'localhost', port: portOf(server), tls };
    const { port, program, made } = await startWith(
      { server: host, web: '.' },
      { 'ca.pem': cert, 'own.pem': cert, 'own.key': key },
    );
    await echoes(await openRaw(port));
    // The private key in the folder is not served.
    await program.prints(/own\.key is private, but in the folder that --web serves: it is answered with 404/);
    expect((await fetch(`http://127.0.0.1:${port}/own.key`)).status).toBe(404);
    expect((await fetch(`http://127.0.0.1:${port}/ca.pem`)).status).toBe(200);

    await writeFile(
      made['c.json']!,
      JSON.stringify({ server: { ...host, tls: { ca: 'none.pem', key: 'hunter2' } } }),
    );
    const { stderr, code } = await runCommand(['--config', made['c.json']!]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/c\.json:1:\d+: server\.tls\.ca: .*none\.pem: there is no such file/);
    expect(stderr).toMatch(/server\.tls\.key: the file: there is no such file/);
    expect(stderr).not.toContain('hunter2');
    // The option may contain the PEM text in place of a path.
    await writeFile(
      made['c.json']!,
      JSON.stringify({ listen: 0, server: { ...host, tls: { ca: cert, cert, key } } }),
    );
    await echoes(await openRaw((await startCommand(['--config', made['c.json']!])).port));
  });

  test('`pfx` in `tls` is the path of a PKCS #12 file, which is private', async () => {
    const { cert, key } = certificate();
    const { folder = '', ...made } = await files({
      'own.pem': String(cert),
      'own.key': String(key),
      'c.json': '',
    });
    const [pfx, passphrase] = [join(folder, 'own.pfx'), 'correct horse'];
    const own = ['-in', made['own.pem']!, '-inkey', made['own.key']!];
    execFileSync('openssl', ['pkcs12', '-export', ...own, '-out', pfx, '-passout', `pass:${passphrase}`]);
    const server = createTls({ cert, key, ca: cert, requestCert: true }, (socket) => {
      socket.on('error', () => undefined).pipe(socket);
    });
    await listen(server);
    const tls = { ca: 'own.pem', pfx: 'own.pfx', passphrase };
    const config = { listen: 0, web: '.', server: { host: 'localhost', port: portOf(server), tls } };
    await writeFile(made['c.json']!, JSON.stringify(config));
    const { port } = await startCommand(['--config', made['c.json']!]);
    await echoes(await openRaw(port));
    expect((await fetch(`http://127.0.0.1:${port}/own.pfx`)).status).toBe(404);
  });

  test('"server": "127.0.0.1:5900" is a target, also in lists, maps and rules', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')];
    const { port } = await startWith({
      server: { '/one': `127.0.0.1:${a}`, '/list': [`${b}`] },
      rules: [{ url: '/rule', server: `localhost:${a}` }],
    });
    expect(await nameAt(port, '/one')).toBe('a');
    expect(await nameAt(port, '/list')).toBe('b');
    expect(await nameAt(port, '/rule')).toBe('a');
    expect(await nameAt((await startWith({ server: String(b) })).port)).toBe('b');
  });

  test('"listen": 6080 listens on loopback only', async () => {
    const free = await closedPort();
    const { 'c.json': file } = await files({ 'c.json': JSON.stringify({ listen: [free], server: '1' }) });
    const { url } = await startCommand(['--config', file!]);
    expect(url).toBe(`http://127.0.0.1:${free}/`);
    const { 'd.json': wrong } = await files({ 'd.json': '{ "listen": 70000, "server": "1" }' });
    expect((await runCommand(['--config', wrong!])).stderr).toMatch(/d\.json:1:13: listen is PORT/);
  });

  test('keys with dots and quotes, and endless nesting, are reported without a crash', async () => {
    const nested = `${'{"rules":[{"else":'.repeat(600)}1${'}]}'.repeat(600)}`;
    for (const text of [
      '{ "server": { "a.b[\\"c": { "port": "x" } } }',
      '{ "mapExtensions": { ".a": 1 } }',
      nested,
    ]) {
      const { 'c.json': file } = await files({ 'c.json': text });
      const { code, stderr } = await runCommand(['--config', file!]);
      expect(code).toBe(3);
      expect(stderr).toMatch(/c\.json(:1:\d+)?: /);
    }
  });

  test.each<[string, object, Record<string, string>, RegExp]>([
    ['a password', { password: 'hunter2' }, {}, /vnc\.password: .*name the file with "passwordFile"/],
    ['a password as the path', { passwordFile: 'hunter2' }, {}, /vnc\.passwordFile: .*no such file/],
    [
      'another spelling',
      { passwordfile: 'p' },
      { p: 'hunter2' },
      /vnc has no "passwordfile"; did you mean "passwordFile"/,
    ],
    [
      'an empty first line',
      { passwordFile: 'p' },
      { p: '\nhunter2' },
      /vnc\.passwordFile: .*must be the first line/,
    ],
    ['a file of vncpasswd', { passwordFile: 'p' }, { p: 'hunter2\u0001' }, /vnc\.passwordFile: .*vncpasswd/],
    ['only an unreadable file', { passwordFile: 'none', username: 'ann' }, {}, /vnc\.passwordFile: /],
  ])('"vnc" with %s is one error, without the secret', async (_name, vnc, texts, message) => {
    const made = await files({ ...texts, 'c.json': JSON.stringify({ server: '127.0.0.1:1', vnc }) });
    const { stderr } = await runCommand(['--check-config', '--config', made['c.json']!]);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toMatch(message);
    expect(stderr).not.toContain('hunter2');
  });
});

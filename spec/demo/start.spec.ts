import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { HELP, makePassword, readArguments, readTarget, UsageError } from '../../demo/arguments.js';
import { makeCertificate } from '../support/certificate.js';
import { files } from '../support/command.js';
import { startDemoFor } from '../support/demo.js';
import { compileDemo, MAIN } from '../support/demo-program.js';
import { describeWith, Program } from '../support/programs.js';
import { handshake, RawClient } from '../support/raw-client.js';
import { closedPort, startBackend } from '../support/servers.js';
import { holds } from '../support/wait.js';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');

/** The status of a page, or of an upgrade, for a request with the given Host. */
async function statusOf(port: number, host: string | undefined, path: string): Promise<number> {
  const upgrade = handshake(path, { Host: host, Origin: `http://${host}` });
  const request = path.endsWith('websockify')
    ? upgrade
    : `GET ${path} HTTP/1.1\r\n${host === undefined ? '' : `Host: ${host}\r\n`}Connection: close\r\n\r\n`;
  const client = new RawClient(port).send(request);
  const { status } = await client.answer();
  client.socket.destroy();
  return status;
}

describe('issue 13, case 16: the demo against DNS rebinding', () => {
  test.each(['/login', '/', '/whoami', '/assets/app.js', '/novnc/core/rfb.js', '/vnc/websockify'])(
    '%s is refused under a name that is not its own',
    async (path) => {
      const { port } = await startDemoFor({ port: 1 });
      for (const host of [
        'evil.example',
        'localhost.evil.example',
        '127.0.0.1.nip.io',
        '192.0.2.7',
        'a@localhost',
      ])
        expect(await statusOf(port, `${host}:${port}`, path), host).toBe(403);
      for (const host of ['127.0.0.1', '127.0.0.9', 'localhost', 'LOCALHOST.', 'demo.localhost', '[::1]'])
        expect(await statusOf(port, `${host}:${port}`, path), host).not.toBe(403);
    },
  );

  test('a request without a Host is refused', async () => {
    const { port } = await startDemoFor({ port: 1 });
    const client = new RawClient(port).send('GET /login HTTP/1.0\r\n\r\n');
    expect((await client.answer()).status).toBe(403);
  });

  test('the refusal says what to do', async () => {
    const { url } = await startDemoFor({ port: 1 });
    const client = new RawClient(Number(new URL(url).port));
    client.send('GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n');
    await client.answer();
    expect((await client.rest()).toString()).toMatch(
      /^"evil\.example" is not a name of this demo: .* --host/,
    );
  });

  test('on all addresses, any address and the names of the machine are its own', async () => {
    const { port } = await startDemoFor({ port: 1 }, { host: '0.0.0.0' });
    for (const host of ['192.0.2.7', '[2001:db8::1]', 'localhost', hostname()])
      expect(await statusOf(port, `${host}:${port}`, '/login'), host).toBe(200);
    expect(await statusOf(port, `evil.example:${port}`, '/login')).toBe(403);
  });

  test('the password is another one each time, unless it is given', () => {
    const passwords = Array.from({ length: 50 }, () => readArguments([])?.password);
    expect(new Set(passwords).size).toBe(50);
    for (const password of passwords) expect(password).toMatch(/^[a-z2-9]{4}(-[a-z2-9]{4}){2}$/);
    expect(makePassword()).not.toMatch(/[01ilo]/);
    expect(readArguments(['--password', 'demo'])).toMatchObject({ password: 'demo', isRandom: false });
  });

  test('a short password is for this machine alone', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.7', 'desk.lan'])
      expect(() => readArguments(['--host', host, '--password', 'demo'])).toThrow(UsageError);
    expect(readArguments(['--host', '0.0.0.0'])?.isRandom).toBe(true);
    expect(() => readArguments(['--password', ''])).toThrow(UsageError);
  });
});

describe('issue 13, case 20: --vnc', () => {
  test.each([
    ['5900', { host: '127.0.0.1', port: 5900 }],
    [':5900', { host: '127.0.0.1', port: 5900 }],
    ['desk.lan:5901', { host: 'desk.lan', port: 5901 }],
    ['[::1]:5901', { host: '::1', port: 5901 }],
    ['/run/vnc.sock', { socket: '/run/vnc.sock' }],
  ])('takes %s', (text, target) => {
    expect(readTarget(text)).toEqual(target);
  });

  test('the page names the address, not the argument', () => {
    expect(readArguments(['--vnc', '5900'])?.desktop).toBe('127.0.0.1:5900');
    expect(readArguments(['--vnc', '[::1]:5901'])?.desktop).toBe('[::1]:5901');
    expect(readArguments([])).toMatchObject({ vnc: undefined, desktop: 'embedded desktop' });
  });

  test.each(['', 'desk.lan', '0', '70000', 'desk.lan:', '::1:5900', '5900x'])('refuses "%s"', (text) => {
    expect(() => readTarget(text)).toThrow(UsageError);
  });
});

describe('issue 13, case 19: npm run demo', () => {
  beforeAll(compileDemo, 120_000);

  const start = (...args: string[]) => new Program(process.execPath, [MAIN, ...args]);

  /** Runs the demo to its end; a demo that hangs fails the test at the program's deadline. */
  const ends = (...args: string[]) =>
    run(process.execPath, [MAIN, ...args], { timeout: 20_000 }).then(
      () => ({ code: 0, stderr: '' }),
      (error: unknown) => error as { code: number | null; stderr: string },
    );

  test('a --port in use is a message and an exit', { timeout: 30_000 }, async () => {
    const { port } = await startBackend();
    const { code, stderr } = await ends('--port', String(port));
    expect(code).toBe(1);
    expect(stderr).toBe(
      `Port ${port} of 127.0.0.1 is in use: choose another one with --port; --port 0 takes any free one.\n`,
    );
  });

  test('a wrong option is a message without a stack, and exit code 2', { timeout: 30_000 }, async () => {
    for (const args of [['--cert', 'missing'], ['--port', 'x'], ['--unknown']]) {
      const { code, stderr } = await ends(...args);
      expect(code, args.join(' ')).toBe(2);
      expect(stderr).toContain(args.at(-1));
      expect(stderr.trim()).not.toContain('\n');
    }
  });

  test('an address of another machine is a message and an exit', { timeout: 30_000 }, async () => {
    const { code, stderr } = await ends('--host', '192.0.2.1', '--port', '0');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^"192\.0\.2\.1" is not an address of this machine/);
  });

  test('the password is printed once and opens the login', { timeout: 30_000 }, async () => {
    const port = await closedPort();
    const demo = start('--port', String(port));
    const [, password = ''] = await demo.prints(/password {2}(\S+)\n/);
    await holds(() => expect(demo.output.split(password)).toHaveLength(2));
    const login = async (given: string) => {
      const body = new URLSearchParams({ username: 'demo', password: given });
      const options = { method: 'POST', body, redirect: 'manual' } as const;
      return (await fetch(`http://127.0.0.1:${port}/login`, options)).headers.get('location');
    };
    expect(await login('demo')).toBe('/login?error=1');
    expect(await login(password)).toBe('/');
    await demo.stop();
  });
});

describeWith('openssl')('issue 21, point 1: --cert and --key', () => {
  /** The files by their names. */
  async function makeFiles() {
    const [own, other] = [makeCertificate(), makeCertificate()];
    return files({
      cert: own.cert,
      key: own.key,
      both: Buffer.concat([own.key, own.cert]),
      mixed: Buffer.concat([other.key, own.cert]),
      otherKey: other.key,
      text: 'no certificate\n',
      empty: '',
    });
  }

  test('a certificate with its key in one file or in two is accepted', async () => {
    const { cert, key, both } = await makeFiles();
    expect(readArguments(['--cert', cert!, '--key', key!])?.tls?.key).toContain('PRIVATE KEY');
    expect(readArguments(['--cert', both!])?.tls?.cert).toContain('BEGIN CERTIFICATE');
  });

  test.each([
    ['a missing certificate', ['--cert', 'missing'], /^--cert "missing": .*ENOENT.*: give the path of/],
    [
      'a missing key',
      ['--cert', '@cert', '--key', 'missing'],
      /^--key "missing": .*ENOENT.*: give the path of/,
    ],
    ['a key alone', ['--key', '@key'], /^--key "@key" .*: give --cert too\.$/],
    [
      'a certificate without a key',
      ['--cert', '@cert'],
      /^--cert "@cert" has no private key .*: give --key too\.$/,
    ],
    [
      'the key of another certificate',
      ['--cert', '@cert', '--key', '@otherKey'],
      /^--key "@otherKey" belongs to another certificate than --cert "@cert": give the key/,
    ],
    [
      'another key in the same file',
      ['--cert', '@mixed'],
      /^--cert "@mixed": .* belongs to another certificate: give the key .* with --key\.$/,
    ],
    [
      'a text as certificate',
      ['--cert', '@text', '--key', '@key'],
      /^--cert "@text" is not a certificate in PEM form .*: give a file with "-----BEGIN CERTIFICATE-----"\.$/,
    ],
    ['an empty certificate', ['--cert', '@empty', '--key', '@key'], /^--cert "@empty" is not a certificate/],
    ['a key as certificate', ['--cert', '@key', '--key', '@key'], /^--cert "@key" is not a certificate/],
    [
      'a certificate as key',
      ['--cert', '@cert', '--key', '@cert'],
      /^--key "@cert" is not a private key .*: give a file with "-----BEGIN PRIVATE KEY-----"\.$/,
    ],
  ])('%s: the message names the option, the file and the fix', async (_what, args, message) => {
    const made = await makeFiles();
    const real = args.map((text) => (text.startsWith('@') ? (made[text.slice(1)] ?? '') : text));
    let said = '';
    try {
      readArguments(real);
    } catch (error) {
      expect(error).toBeInstanceOf(UsageError);
      said = (error as Error).message;
    }
    for (const [name, path] of Object.entries(made)) said = said.replaceAll(`"${path}"`, `"@${name}"`);
    expect(said).toMatch(message);
    expect(said).not.toContain('\n');
  });
});

test('issue 13, case 19: without --port, a port in use is passed over', async () => {
  const { port } = await startBackend();
  const demo = await startDemoFor({ port: 1 }, { port, tries: 20 });
  expect(demo.port).toBeGreaterThan(port);
  expect(demo.port).toBeLessThan(port + 20);
  await expect(startDemoFor({ port: 1 }, { port })).rejects.toThrow('EADDRINUSE');
});

test('the demo/README.md names every option of --help, and no other', () => {
  const optionsOf = (text: string) => [...new Set(text.match(/--(?!help)[a-z][a-z-]*/g))].sort();
  const page = readFileSync(join(ROOT, 'demo/README.md'), 'utf8');
  expect(optionsOf(page)).toEqual(optionsOf(HELP));
});

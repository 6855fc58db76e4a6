import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { files, nameAt, runCommand, startCommand, startNamed, type Listening } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { openRaw, pageStatus, requestTunnel, statusOf, type RawHeaders } from '../support/raw-client.js';
import { askRedis, startRedis } from '../support/redis.js';
import { closedPort, startHttp } from '../support/servers.js';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const PEM = publicKey.export({ type: 'spki', format: 'pem' }).toString();
const soon = (seconds = 60) => Math.floor(Date.now() / 1000) + seconds;
const sign = (port: number, more = {}) =>
  new SignJWT({ host: '127.0.0.1', port, aud: 'vnc', exp: soon(), ...more })
    .setProtectedHeader({ alg: 'EdDSA' })
    .sign(privateKey);

const start = (...args: string[]) => startCommand(['--listen', '0', ...args]);
const LOCAL = ['--token-targets', '127.0.0.0/8:*'];

/** Node as if the optional packages were not installed. */
const HOOK = `export const resolve = (name, context, next) => {
  if (!/^(jose|redis|ioredis)$/.test(name)) return next(name, context);
  throw Object.assign(new Error('Cannot find package ' + name), { code: 'ERR_MODULE_NOT_FOUND' });
};`;
const dataUrl = (code: string) => `data:text/javascript,${encodeURIComponent(code)}`;
const REGISTER = `import { register } from 'node:module'; register(${JSON.stringify(dataUrl(HOOK))});`;
const WITHOUT_PACKAGES = { NODE_OPTIONS: `--no-warnings --import=${dataUrl(REGISTER)}` };

async function reload({ program }: Listening): Promise<void> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await expect.poll(() => program.output.slice(before)).not.toBe('');
}

describe('issue 18: --tokens', () => {
  test('folder: and sockets: find the file or the socket named by the token', async () => {
    const [a, b] = [await startNamed('a'), createServer((socket) => socket.end('b'))];
    const { folder = '' } = await files({});
    for (const name of ['folder', 'sockets']) await mkdir(join(folder, name));
    await writeFile(join(folder, 'folder', 'one'), `127.0.0.1:${a}\n`);
    b.listen(join(folder, 'sockets', 'two'));
    await once(b, 'listening');
    onCleanup(() => b.close());
    const sources = ['--tokens', `folder:${folder}/folder`, '--tokens', `sockets:${folder}/sockets`];
    const { port, program } = await start(...sources, '-v');
    expect(await nameAt(port, '/?token=one')).toBe('a');
    expect(await nameAt(port, '/?token=two')).toBe('b');
    for (const token of [
      'three',
      '../sockets/two',
      '..%2Ffolder%2Fone',
      '%00',
      '__proto__',
      'x'.repeat(10_000),
    ])
      expect(await statusOf(port, `/?token=${token}`)).toBe(404);
    expect(program.output).not.toContain('../sockets');
  });

  test('jwt: reads a key in PEM form, and the token of a cookie', async () => {
    const a = await startNamed('a');
    const { key } = await files({ key: PEM });
    const source = `jwt:${key}?algorithms=EdDSA&audience=vnc`;
    const { port, program } = await start('--tokens', source, '--token-from', 'cookie', ...LOCAL, '-v');
    const knock = async (more = {}, at = a) =>
      statusOf(port, '/', { Cookie: `token=${await sign(at, more)}` });
    const client = await openRaw(port, '/', { Cookie: `token=${await sign(a, { sub: 'ann' })}` });
    expect((await client.payload(1)).toString()).toBe('a');
    for (const more of [{ exp: soon(-1) }, { aud: 'mail' }, { host: '192.0.2.1' }, { exp: undefined }])
      expect(await knock(more)).toBe(404);
    await program.prints(/\(ann\)|ann/);
    expect(program.output).not.toContain('eyJ');
  });

  test("jwt: reads websockify's file with the base64url text of a secret", async () => {
    const a = await startNamed('a');
    const secret = randomBytes(32);
    const { key } = await files({ key: `${secret.toString('base64url')}\n` });
    const { port } = await start('--tokens', `jwt:${key}?algorithms=HS256&audience=*`, ...LOCAL);
    const token = await new SignJWT({ host: '127.0.0.1', port: String(a), exp: soon() })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(secret);
    expect(await nameAt(port, `/?token=${token}`)).toBe('a');
  });

  test('https: asks the API, and refuses after 404, a failure or a wrong answer', async () => {
    const a = await startNamed('a');
    const api = await startHttp((req, res) => {
      const answers: Record<string, () => unknown> = {
        '/t/a%2Fb': () => res.end(`{"host":"127.0.0.1","port":${a}}`),
        '/t/lies': () => res.end('{"host":"127.0.0.1","port":70000}'),
        '/t/fails': () => res.writeHead(500).end(),
        '/t/far': () => res.end('192.0.2.1:22'),
      };
      (answers[req.url ?? ''] ?? (() => res.writeHead(404).end()))();
    });
    const { port, program } = await start('--tokens', `http://127.0.0.1:${api.port}/t/%s`, ...LOCAL, '-v');
    expect(await nameAt(port, '/?token=a%2Fb')).toBe('a');
    for (const [token, status] of [
      ['none', 404],
      ['far', 404],
      ['lies', 502],
      ['fails', 502],
    ] as const)
      expect(await statusOf(port, `/?token=${token}`)).toBe(status);
    expect(program.output).not.toMatch(/token=(?!\*)|a%2Fb|70000/);
  });

  test('a source that is down refuses with 503 although a later source knows the token', async () => {
    const { tokens } = await files({ tokens: `a: ${await startNamed('a')}\n` });
    const api = `http://127.0.0.1:${await closedPort()}/%s`;
    const first = await start('--tokens', tokens!, '--tokens', api, '--token-targets', '*');
    expect(await nameAt(first.port, '/?token=a')).toBe('a');
    const last = await start('--tokens', api, '--tokens', tokens!, '--token-targets', '*');
    expect(await statusOf(last.port, '/?token=a')).toBe(503);
  });

  test.each([
    ['path', '/vnc/secret', {}],
    ['host', '/', { Host: 'secret.vnc.example' }],
    ['subprotocol', '/', { 'Sec-WebSocket-Protocol': 'token.secret' }],
  ])('--token-from %s', async (place, path, headers) => {
    const { tokens } = await files({ tokens: `secret: ${await startNamed('a')}\n` });
    const { port, program } = await start('--tokens', tokens!, '--token-from', place, '-v');
    const client = await openRaw(port, path, headers);
    expect((await client.payload(1)).toString()).toBe('a');
    client.socket.destroy();
    await program.prints(/closed|close/);
    expect(program.output).not.toContain('secret');
  });

  test('the settings of a JSON file count, and SIGHUP reads them and the key again', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')];
    const { folder = '' } = await files({});
    const at = (name: string) => join(folder, name);
    await writeFile(at('key'), PEM);
    const config = (tokens: unknown) =>
      writeFile(
        at('c.json'),
        JSON.stringify({ listen: 0, tokens, tokenFrom: 'path', tokenTargets: ['127.0.0.1:*'] }),
      );
    await config(['jwt:key?algorithms=EdDSA&audience=vnc', 'file:list']);
    await writeFile(at('list'), `one: ${b}\n`);
    const command = await startCommand(['--config', at('c.json')]);
    expect(await nameAt(command.port, `/${await sign(a)}`)).toBe('a');
    expect(await nameAt(command.port, '/one')).toBe('b');
    await config('list');
    await reload(command);
    await expect.poll(async () => statusOf(command.port, `/${await sign(a)}`)).toBe(404);
    expect(await nameAt(command.port, '/one')).toBe('b');
    await config('jwt:other?algorithms=EdDSA&audience=vnc');
    await reload(command);
    await command.program.prints(/other: there is no such file/);
    expect(await nameAt(command.port, '/one')).toBe('b');
  });

  test('--revalidate ends a tunnel whose JWT has expired', async () => {
    const a = await startNamed('a');
    const { key } = await files({ key: PEM });
    const source = `jwt:${key}?algorithms=EdDSA&audience=vnc`;
    const { port } = await start('--tokens', source, ...LOCAL, '--revalidate', '0.2');
    const client = await openRaw(port, `/?token=${await sign(a, { exp: soon(2), sub: 'ann' })}`);
    const lasting = await openRaw(port, `/?token=${await sign(a, { sub: 'ann' })}`);
    expect((await client.close())?.code).toBe(1008);
    expect(lasting.socket.readyState).toBe('open');
  });

  test('--record records the target of a token, and keeps the user', async () => {
    const a = await startNamed('a');
    const { key, folder = '' } = await files({ key: PEM });
    const source = `jwt:${key}?algorithms=EdDSA&audience=vnc`;
    const { port, program } = await start('--tokens', source, ...LOCAL, '--record', join(folder, 'r'), '-v');
    const client = await openRaw(port, `/?token=${await sign(a, { sub: 'ann' })}`);
    expect((await client.payload(1)).toString()).toBe('a');
    await program.prints(/ann/);
  });

  test.each(['query', 'path', 'cookie', 'subprotocol'])(
    'the output has no token of %s, whatever the request',
    async (from) => {
      const a = await startNamed('a');
      const { file = '', folder = '' } = await files({ file: `sec.ret: 127.0.0.1:${a}\n` });
      const args = ['--tokens', file, '--token-from', from, '--url', '/t', '-v'];
      for (const more of [[], ['--record', join(folder, 'r')]]) {
        const { port, program } = await start(...args, ...more);
        const statuses = [];
        for (const token of ['sec.ret', 'sec.ret2']) {
          const [path, headers] = placed(from, token);
          const client = requestTunnel(port, path, headers);
          statuses.push((await client.answer()).status);
          client.socket.destroy();
          await pageStatus(port, path);
          if (from === 'path') await statusOf(port, `${path}/`);
        }
        expect(statuses).toEqual([101, 404]);
        await program.prints(/404 there is no such tunnel/);
        expect(program.output).not.toContain('sec.ret');
      }
    },
  );
});

function placed(from: string, token: string): [path: string, headers: RawHeaders] {
  switch (from) {
    case 'query':
      return [`/t?token=${token}`, {}];
    case 'path':
      return [`/t/${token}`, {}];
    case 'cookie':
      return ['/t', { Cookie: `token=${token}` }];
    default:
      return ['/t', { 'Sec-WebSocket-Protocol': `token.${token}, binary` }];
  }
}

describeWith('redis-server')('issue 18: --tokens redis:', () => {
  test('reads entries of Redis, with &once only once, and survives an outage and a reload', async () => {
    const a = await startNamed('a');
    const redis = await startRedis();
    const store = askRedis(redis.port);
    await store.set('vnc:one', `{"host":"127.0.0.1:${a}"}`);
    await store.set('once:two', `127.0.0.1:${a}`);
    const at = `redis://127.0.0.1:${redis.port}`;
    const command = await start(
      '--tokens',
      `${at}?prefix=vnc:`,
      '--tokens',
      `${at}/0?prefix=once:&once`,
      ...LOCAL,
    );
    const { port } = command;
    for (let i = 0; i < 2; i++) expect(await nameAt(port, '/?token=one')).toBe('a');
    expect(await nameAt(port, '/?token=two')).toBe('a');
    expect(await statusOf(port, '/?token=two')).toBe(404);
    await reload(command);
    expect(await nameAt(port, '/?token=one')).toBe('a');
    const outage = /Redis of --tokens at redis:\S+ cannot be reached \(.+\): requests with a token get 503/g;
    expect(command.program.output).not.toMatch(outage);
    await redis.program.stop();
    await expect.poll(() => statusOf(port, '/?token=one')).toBeGreaterThanOrEqual(503);
    // A line for each of the two sources, and no more for the further tries to connect.
    await expect.poll(() => command.program.output.match(outage)).toHaveLength(2);
    await startRedis(redis.port);
    await askRedis(redis.port).set('vnc:one', `127.0.0.1:${a}`);
    await expect.poll(() => statusOf(port, '/?token=one'), { timeout: 10_000 }).toBe(101);
    await command.program.prints(/Redis of --tokens at redis:\S+ is reached again/);
    expect(command.program.output.match(outage)).toHaveLength(2);
  });

  test('reads the password from a file, and opens no connection for --check-config', async () => {
    const a = await startNamed('a');
    const redis = await startRedis(undefined, '--requirepass', 'right');
    const { password } = await files({ password: 'right\n' });
    const store = new Redis(redis.port, '127.0.0.1', { password: 'right' });
    onCleanup(() => store.disconnect());
    await store.set('vnc:one', `127.0.0.1:${a}`);
    const at = `redis://127.0.0.1:${redis.port}?prefix=vnc:`;
    const { port } = await start('--tokens', `${at}&password-file=${password}`, ...LOCAL);
    expect(await nameAt(port, '/?token=one')).toBe('a');
    const closed = `redis://127.0.0.1:${await closedPort()}?prefix=vnc:`;
    const args = ['--check-config', '--listen', '0', ...LOCAL, '--tokens'];
    expect(await runCommand([...args, closed])).toMatchObject({ code: 0 });
    await rm(password!);
    const bad = await runCommand([...args, `${closed}&password-file=${password}`]);
    expect(bad.code).toBe(3);
    expect(bad.stderr).toMatch(/can't read the password of --tokens redis: from its file/);
  });
});

describe('issue 18: wrong settings of tokens', () => {
  test.each([
    ['jwt:k?algorithms=RS256&audience=v', /needs --token-targets, since the entries could name any host/],
    ['redis://h?prefix=a:', /needs --token-targets/],
    ['https://h/%s', /needs --token-targets/],
    ['https://h/', /must be an http or https URL with one "%s" for the token/],
    ['https://ann:secret@h/%s', /must have no user and password/],
    ['jwt:k', /jwt: needs algorithms, such as \?algorithms=RS256/],
    ['jwt:k?algorithms=none&audience=v', /jwt: needs algorithms/],
    ['jwt:k?algorithms=RS256', /jwt: needs an audience/],
    ['jwt:k?algorithms=RS256&audience=v&issuers=x', /jwt: has no "issuers"/],
    ['redis://h', /redis: needs a prefix/],
    ['redis://h?prefix=&once', /redis: needs a prefix with once/],
    ['redis://:secret@h?prefix=a:', /redis: must have no password/],
    ['redis://h?prefix=a:&one', /redis: has no "one"/],
    ['folder:', /must be a file, folder:PATH/],
    ['ftp://ann:secret@h/%s', /has an unknown kind of source, "ftp:": it must be a file, folder:PATH/],
  ])('--tokens %s', async (source, message) => {
    const { code, stderr } = await runCommand(['--listen', '0', '--tokens', source]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    expect(stderr).not.toContain('secret');
  });

  test.each([
    [['--token-targets', 'a'], /--token-targets\[0\] must list targets such as/],
    [['--token-from', 'header'], /--token-from must be one of query, cookie, path, host, subprotocol/],
  ])('%j', async (args, message) => {
    const { code, stderr } = await runCommand(['--listen', '0', '--tokens', 'x', ...args]);
    expect([code, stderr]).toEqual([2, expect.stringMatching(message)]);
    const alone = await runCommand(['--listen', '0', '5900', args[0]!, '*']);
    expect(alone.code).toBe(2);
  });

  test('--check-config reports the files of every source, and secrets are in no message', async () => {
    const made = await files({ pem: PEM, bad: 'not a key!', short: 'c2VjcmV0' });
    const check = async (source: string) => {
      const args = ['--check-config', '--listen', '0', '--tokens', source, '--token-targets', '*'];
      return runCommand(args);
    };
    for (const [source, message] of [
      [`folder:${made.pem}`, /pem: it is not a folder/],
      ['sockets:/nowhere', /nowhere: there is no such file or folder/],
      ['/nowhere', /nowhere: there is no such file or folder/],
      ['jwt:/nowhere?algorithms=RS256&audience=v', /nowhere: there is no such file/],
      [`jwt:${made.pem}?algorithms=RS256&audience=v`, /--tokens jwt: key does not fit the algorithm RS256/],
      [`jwt:${made.pem}?algorithms=HS256&audience=v`, /--tokens jwt: key does not fit the algorithm HS256/],
      [`jwt:${made.short}?algorithms=HS256&audience=v`, /--tokens jwt: key is too short for HS256/],
      [`jwt:${made.bad}?algorithms=HS256&audience=v`, /bad: must contain a key in PEM form, a JWK/],
    ] as const) {
      const { code, stderr } = await check(source);
      expect([source, code, stderr]).toEqual([source, 3, expect.stringMatching(message)]);
      expect(stderr).not.toMatch(/not a key|c2VjcmV0|BEGIN/);
    }
    expect(await check(`jwt:${made.pem}?algorithms=EdDSA&audience=v`)).toMatchObject({ code: 0 });
  });

  test('without jose or a client for Redis, the message says where to install the package', async () => {
    const { key } = await files({ key: PEM });
    const check = (source: string) =>
      runCommand(['--check-config', '--listen', '0', '--tokens', source, ...LOCAL], WITHOUT_PACKAGES);
    for (const [source, begin, name] of [
      [`jwt:${key}?algorithms=EdDSA&audience=v`, 'jwt: needs the package jose', 'jose'],
      ['redis://h?prefix=a:', 'redis: needs a client for Redis (redis or ioredis)', 'redis'],
    ] as const) {
      const { code, stderr } = await check(source);
      expect(stderr).toContain(
        `--tokens ${begin} beside express-wstunnel: npm install express-wstunnel ${name};`,
      );
      expect([code, stderr]).toEqual([3, expect.stringContaining(`npm install --global ${name};`)]);
    }
  });

  test('a folder whose files are named after their tokens is pointed to folder:', async () => {
    const { folder, list } = await files({ one: '127.0.0.1:5900\n', two: '127.0.0.1:5901\n', list: 'a b\n' });
    const check = async (path: string) =>
      (await runCommand(['--check-config', '--listen', '0', '--tokens', path])).stderr;
    await rm(list!);
    expect(await check(folder!)).toMatch(
      /one:1: a line must be .*; if each file is named after its token.*give folder:PATH/,
    );
    expect(await check(join(folder!, 'one'))).toMatch(/a line must be "token: HOST:PORT"\n$/);
  });

  test('targets of a JSON file count for --tokens of the command line, and need tokens', async () => {
    const made = await files({
      config: '{ "tokenTargets": ["192.0.2.1:*"], "listen": 0 }',
      tokens: `a: ${await startNamed('a')}\n`,
    });
    const { port } = await startCommand(['--config', made.config!, '--tokens', made.tokens!]);
    expect(await statusOf(port, '/?token=a')).toBe(404);
    const { code, stderr } = await runCommand(['--config', made.config!, '5900']);
    expect([code, stderr]).toEqual([
      2,
      expect.stringContaining('"tokenTargets" in the configuration need "tokens"'),
    ]);
  });

  test('a faulty JSON file is reported with line and column', async () => {
    const { file } = await files({ file: '{ "tokens": ["a",\n  "jwt:k"],\n  "tokenFrom": "header" }' });
    const { code, stderr } = await runCommand(['--config', file!]);
    expect(code).toBe(3);
    expect(stderr).toMatch(/:1:13: tokens jwt: needs algorithms/);
    expect(stderr).toMatch(/:3:16: tokenFrom must be one of query, cookie/);
  });
});

test('with --token-from host, a warning says that every client may open a tunnel', async () => {
  const { tokens } = await files({ tokens: 'a: 1\n' });
  const args = ['--check-config', '--listen', ':0', '--tokens', tokens!];
  expect((await runCommand(args)).stderr).not.toContain('every client that can reach');
  expect((await runCommand([...args, '--token-from', 'host'])).stderr).toContain(
    'every client that can reach',
  );
});

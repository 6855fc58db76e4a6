import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { closedPort } from '../support/closed-port.js';
import { files, nameAt, startCommand, startNamed } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { statusOf } from '../support/raw-client.js';
import { accepts, startHttp } from '../support/servers.js';
import { until } from '../support/wait.js';

const run = promisify(execFile);

/** The real websockify with a plugin; resolves to its port. */
async function websockify(plugin: string, source: string): Promise<number> {
  const port = await closedPort();
  new Program('websockify', [`127.0.0.1:${port}`, '--token-plugin', plugin, '--token-source', source]);
  await until(() => accepts({ port }));
  return port;
}

/** Our command with the same arguments, and more. */
async function ours(plugin: string, source: string, ...more: string[]): Promise<number> {
  const args = ['--listen', '0', '--token-plugin', plugin, '--token-source', source, ...more];
  return (await startCommand(args)).port;
}

describeWith('websockify')("issue 18: websockify's own files and options", () => {
  test.each(['TokenFile', 'ReadOnlyTokenFile'])('%s: a file, and a folder of files', async (plugin) => {
    const [a, b] = [await startNamed('a'), await startNamed('b')];
    const { folder = '' } = await files({});
    await mkdir(join(folder, 'd'));
    const text = `# desks\n\na: 127.0.0.1:${a}\n  b: localhost:${b}  \nwith:colon: 127.0.0.1:${a}\n`;
    for (const name of ['list', 'd/one']) await writeFile(join(folder, name), text);
    for (const path of ['list', 'd'])
      for (const port of [
        await websockify(plugin, join(folder, path)),
        await ours(plugin, join(folder, path)),
      ]) {
        const tokens = ['a', 'b', 'with:colon'];
        const found = [];
        for (const token of tokens) found.push(await nameAt(port, `/websockify?token=${token}`));
        expect(found).toEqual(['a', 'b', 'a']);
      }
  });

  test('UnixDomainSocketDirectory', async () => {
    const { folder = '' } = await files({});
    for (const name of ['s', 's2']) {
      await mkdir(join(folder, name));
      const server = createServer((socket) => socket.end('a')).listen(join(folder, name, 'desk'));
      await once(server, 'listening');
      onCleanup(() => server.close());
    }
    const args = ['UnixDomainSocketDirectory', join(folder, 's')] as const;
    const [theirs, own] = [await websockify(...args), await ours(...args)];
    expect([await nameAt(theirs, '/?token=desk'), await nameAt(own, '/?token=desk')]).toEqual(['a', 'a']);
    // The flaw: the folder `s2` begins with the letters of `s`.
    expect(await nameAt(theirs, '/?token=../s2/desk')).toBe('a');
    expect(await statusOf(own, '/?token=../s2/desk')).toBe(404);
  });

  test('JSONTokenApi', async () => {
    const urls: string[] = [];
    const a = await startNamed('a');
    const api = await startHttp((req, res) => {
      urls.push(req.url ?? '');
      const isKnown = req.url === '/t/a%2Fb' || req.url === '/t/a/b';
      res.writeHead(isKnown ? 200 : 404, { 'Content-Type': 'application/json' });
      res.end(JSON.stringify({ host: '127.0.0.1', port: a }));
    });
    const args = ['JSONTokenApi', `http://127.0.0.1:${api.port}/t/%s`] as const;
    const [theirs, own] = [await websockify(...args), await ours(...args, '--token-targets', '127.0.0.1:*')];
    expect(await nameAt(theirs, '/?token=a%2Fb')).toBe('a');
    expect(await nameAt(own, '/?token=a%2Fb')).toBe('a');
    // The flaw: the token is not encoded.
    expect(urls).toEqual(['/t/a/b', '/t/a%2Fb']);
  });
});

const hasJwcrypto = await run('/usr/bin/python3', ['-c', 'import jwcrypto']).then(
  () => true,
  () => false,
);

describe.runIf(hasJwcrypto)('issue 18: JWTTokenApi of websockify', () => {
  test('reads the same file of a secret, and accepts a token without exp', async () => {
    const a = await startNamed('a');
    const secret = randomBytes(32);
    const { key = '' } = await files({ key: secret.toString('base64url') });
    const sign = (claims: object) =>
      new SignJWT({ host: '127.0.0.1', port: a, ...claims })
        .setProtectedHeader({ alg: 'HS256' })
        .sign(secret);
    const theirs = await websockify('JWTTokenApi', key);
    const args = ['--tokens', `jwt:${key}?algorithms=HS256&audience=*`, '--token-targets', '127.0.0.1:*'];
    const { port: own } = await startCommand(['--listen', '0', ...args]);
    const lasting = await sign({ exp: Math.floor(Date.now() / 1000) + 60 });
    const endless = await sign({});
    expect([await nameAt(theirs, `/?token=${lasting}`), await nameAt(own, `/?token=${lasting}`)]).toEqual([
      'a',
      'a',
    ]);
    expect(await nameAt(theirs, `/?token=${endless}`)).toBe('a');
    expect(await statusOf(own, `/?token=${endless}`)).toBe(404);
  });
});

import { generateKeyPairSync } from 'node:crypto';
import { SignJWT } from 'jose';
import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import {
  fileTokens,
  folderTokens,
  jwtTokens,
  socketTokens,
  tokenServer,
  type TokenServer,
  type TokenSource,
} from '../../src/tokens/index.js';
import type { RefuseInfo, TunnelOptions } from '../../src/index.js';
import { debugLines } from '../support/debug-lines.js';
import { files } from '../support/command.js';
import { echoes, openRaw, requestTunnel, statusOf } from '../support/raw-client.js';
import { makeTunnel, startEcho, startTunnel } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

async function start(server: TokenServer, options: Partial<TunnelOptions> = {}) {
  const refused: RefuseInfo[] = [];
  const site = await startTunnel({ server, ...options });
  site.tunnel.on('refuse', (info: RefuseInfo) => refused.push(info));
  return { ...site, refused };
}

/** A source with one token, whose backend is an echo. */
async function echoSource(more = {}): Promise<TokenSource & { port: number }> {
  const { port } = await startEcho();
  const source = (token: string) => (token === 'sec.ret' ? { target: { port }, ...more } : undefined);
  return Object.assign(source, { port });
}

const PLACES = [
  ['query', '/tunnel?token=sec.ret', {}, '/tunnel?token=***'],
  ['cookie', '/tunnel', { Cookie: 'a=b; token=sec.ret' }, '/tunnel'],
  ['path', '/tunnel/sec.ret?a=b', {}, '/tunnel/***?a=***'],
  ['subprotocol', '/tunnel', { 'Sec-WebSocket-Protocol': 'token.sec.ret, chat' }, '/tunnel'],
] as const;

describe('a token', () => {
  test.each(PLACES)(
    'from %s opens its target, and no event and no log has the token',
    async (from, path, headers, url) => {
      const lines = debugLines();
      const infos: unknown[] = [];
      const source = await echoSource();
      const { port, tunnel, refused } = await start(tokenServer(source, { from }));
      tunnel.on('open', (info) => infos.push(info)).on('close', (info) => infos.push(info));
      const client = await openRaw(port, path, headers);
      await echoes(client);
      expect(tunnel.tunnels()).toMatchObject([{ url, backend: `127.0.0.1:${source.port}` }]);
      client.socket.destroy();
      await until(() => infos.length === 2);
      expect(await statusOf(port, path.replace('sec.ret', 'sec.ret2'), replaced(headers))).toBe(404);
      expect(refused).toMatchObject([{ status: 404, code: 'WSTUNNEL_NO_TARGET', url }]);
      expect(lines.length).toBeGreaterThan(0);
      expect(JSON.stringify([infos, refused, lines, tunnel.stats()])).not.toContain('sec.ret');
    },
  );

  test('from host opens the target of the first label', async () => {
    const { port: echo } = await startEcho();
    const source = (token: string) => (token === 'desk-1' ? { target: { port: echo } } : undefined);
    const { port } = await start(tokenServer(source, { from: 'host' }), { origins: '*' });
    await echoes(await openRaw(port, '/tunnel', { Host: 'desk-1.vnc.example' }));
    for (const Host of ['desk-2.vnc.example', 'desk-1', '127.0.0.1'])
      expect(await statusOf(port, '/tunnel', { Host })).toBe(404);
  });

  test('from subprotocol is not sent back: the answer has binary or no subprotocol', async () => {
    const { port } = await start(tokenServer(await echoSource(), { from: 'subprotocol' }));
    for (const [offered, chosen] of [
      ['token.sec.ret, binary', 'binary'],
      ['token.sec.ret', undefined],
    ] as const) {
      const client = requestTunnel(port, '/tunnel', { 'Sec-WebSocket-Protocol': offered });
      const { status, headers } = await client.answer();
      expect([status, headers['sec-websocket-protocol']]).toEqual([101, chosen]);
      client.socket.destroy();
    }
  });

  test('gives the user, and shortens the tunnel', async () => {
    const source = await echoSource({ user: 'ann', viewOnly: true, maxDuration: 0.3 });
    const { port, tunnel } = await start(tokenServer(source), { user: () => 'nobody' });
    const client = await openRaw(port, '/tunnel?token=sec.ret');
    expect(tunnel.tunnels()).toMatchObject([{ user: 'ann' }]);
    expect((await client.close())?.reason).toBe('open for 0.3 s');
  });

  test('is looked up after authenticate, and not for a request without a login', async () => {
    const source = vi.fn<TokenSource>(() => undefined);
    const { port } = await start(tokenServer(source), { authenticate: () => false });
    expect(await statusOf(port, '/tunnel?token=sec.ret')).toBe(401);
    expect(source).not.toHaveBeenCalled();
  });

  test('that is missing, unknown, malformed or outside of targets gets the same answer', async () => {
    const source = await echoSource();
    const { port, refused } = await start(tokenServer(source, { targets: ['192.0.2.1:*'] }));
    const answers = [];
    const long = 'x'.repeat(10_240);
    for (const query of [
      '',
      '?token=',
      '?token=x',
      '?token=%00',
      '?token=..',
      '?token=__proto__',
      `?token=${long}`,
      '?token=sec.ret',
    ]) {
      const client = requestTunnel(port, `/tunnel${query}`);
      const { status } = await client.answer();
      answers.push([status, (await client.rest()).toString()]);
    }
    expect(new Set(answers.map(String))).toEqual(new Set(['404,there is no such tunnel\n']));
    expect(refused.at(-1)?.reason).toBe('there is no such tunnel: the token leads outside of targets');
    expect(refused.at(-2)?.reason).toContain('the token has more than 8192 characters');
  });

  test('by refuseWith "close" gets Close 4404', async () => {
    const { port } = await start(tokenServer(await echoSource()), { refuseWith: 'close' });
    const client = await openRaw(port, '/tunnel?token=x');
    expect((await client.close())?.code).toBe(4404);
  });
});

const replaced = (headers: object) =>
  JSON.parse(JSON.stringify(headers).replace('sec.ret', 'sec.ret2')) as Record<string, string>;

describe('issue 18: a token that ends within the handshake', () => {
  test('a JWT that expires while an earlier source is asked is refused', async () => {
    const { publicKey, privateKey } = generateKeyPairSync('ed25519');
    const { port: echo } = await startEcho();
    const jwt = jwtTokens({ key: publicKey, algorithms: ['EdDSA'], audience: false });
    const slow: TokenSource = async () => {
      await sleep(2100);
      return undefined;
    };
    const token = await new SignJWT({ host: '127.0.0.1', port: echo, exp: Math.floor(Date.now() / 1000) + 2 })
      .setProtectedHeader({ alg: 'EdDSA' })
      .sign(privateKey);
    const targets = [`127.0.0.0/8:${echo}`];
    const fast = await start(tokenServer(jwt, { targets }));
    await echoes(await openRaw(fast.port, `/tunnel?token=${token}`));
    const late = await start(tokenServer(slow, jwt, { targets }));
    expect(await statusOf(late.port, `/tunnel?token=${token}`)).toBe(404);
    expect(late.refused[0]?.reason).toContain('it has expired');
    expect(JSON.stringify(late.refused)).not.toContain(token.slice(0, 20));
  });

  test('a source that does not answer ends with the handshake', async () => {
    let wasAborted = false;
    const source: TokenSource = (_token, { signal }) =>
      new Promise((_resolve, reject) =>
        signal.addEventListener('abort', () => {
          wasAborted = true;
          reject(signal.reason as Error);
        }),
      );
    const { port } = await start(tokenServer(source), { handshakeTimeout: 0.3 });
    expect(await statusOf(port, '/tunnel?token=x')).toBe(504);
    expect(wasAborted).toBe(true);
  });
});

test('a token that is removed from its file opens no further tunnel, and the open one goes on', async () => {
  const { port: echo } = await startEcho();
  const { file } = await files({ file: `a: 127.0.0.1:${echo}\n` });
  const { port } = await start(tokenServer(fileTokens(file!)));
  const client = await openRaw(port, '/tunnel?token=a');
  await writeFile(file!, '');
  await until(async () => (await statusOf(port, '/tunnel?token=a')) === 404);
  await echoes(client);
});

test('a source in place of a server function is refused when the tunnel is made', async () => {
  const { file } = await files({ file: 'a: desk:1\n' });
  const folder = dirname(file!);
  for (const source of [fileTokens(file!), folderTokens(folder), socketTokens(folder)])
    for (const options of [{ server: source }, { rules: [{ url: '/a', server: source }] }])
      expect(() => makeTunnel(options as never)).toThrow(
        /server is a source of tokens: wrap the source in tokenServer\(\)/,
      );
});

test('a failure of a source refuses with 500, and its message reaches only the operator', async () => {
  const source: TokenSource = () => Promise.reject(new Error('password of the store'));
  const { port, refused } = await start(tokenServer(source, () => ({ target: { port: 1 } })));
  const client = requestTunnel(port, '/tunnel?token=x');
  expect((await client.answer()).status).toBe(500);
  expect((await client.rest()).toString()).not.toContain('password');
  expect(refused).toMatchObject([{ reason: 'a token source failed: password of the store' }]);
});

test('too many openings: the refusal before the rules does not show a token of the path either', async () => {
  const source: TokenSource = () => new Promise(() => undefined);
  const options = { limits: { opening: 1 } };
  const { port, refused } = await start(tokenServer(source, { from: 'path' }), options);
  const first = requestTunnel(port, '/tunnel/secret');
  await until(async () => (await statusOf(port, '/tunnel/secret')) === 503);
  expect(refused.map(({ url }) => url)).toContain('/tunnel/***');
  expect(JSON.stringify(refused)).not.toContain('secret');
  first.socket.destroy();
});

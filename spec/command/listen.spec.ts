import { mkdir, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { createServer as createTls } from 'node:tls';
import { expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { files, nameAt, startCommand, startNamed } from '../support/command.js';
import {
  echoes,
  openRaw,
  pageRequest,
  type RawAnswer,
  RawClient,
  requestTunnel,
} from '../support/raw-client.js';
import { listen, portOf, startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';

/** The answer to an upgrade. */
async function knock(port: number, path = '/websockify', headers = {}): Promise<RawAnswer> {
  return requestTunnel(port, path, headers).answer();
}

test("websockify's order of arguments works: listen address, then target", async () => {
  const { port: target } = await startEcho();
  const { program, port, url } = await startCommand(['0', `127.0.0.1:${target}`]);
  expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+\/$/);
  for (const path of ['/', '/websockify', '/any/thing?x=1']) await echoes(await openRaw(port, path));
  // On a pipe the command prints the listen address only.
  expect(program.output).toBe(
    `express-wstunnel: listening on ${url} for 127.0.0.1:${target}; reachable from this machine only ` +
      `(--listen :${port} opens it to others, also through a container's published port)\n`,
  );
});

test('with `listen` or --listen every argument is a target, and --balance chooses among them', async () => {
  const targets = [await startNamed('a'), await startNamed('b'), await startNamed('c')];
  const args = ['--listen', '127.0.0.1:0', '--balance', 'round-robin', ...targets.map(String)];
  const { port } = await startCommand(['listen', ...args]);
  const names = [await nameAt(port), await nameAt(port), await nameAt(port), await nameAt(port)];
  expect(names.join('')).toBe('abca');
});

test('several listen addresses work, and a stale unix socket is replaced', async () => {
  const { port: target } = await startEcho();
  const { folder } = await files({});
  const socket = join(folder!, 'tunnel.sock');
  const args = ['--unix', socket, '--listen', '127.0.0.1:0', String(target)];
  const first = await startCommand(args);
  first.program.process.kill('SIGKILL');
  await first.exit();

  const { port, program } = await startCommand(args);
  await program.prints(new RegExp(`listening on unix:${socket} `));
  await echoes(await openRaw(port));
  await echoes(await openRaw(connect(socket)));
});

test('a backend on a unix socket is reached', async () => {
  const { folder } = await files({});
  const path = join(folder!, 'backend.sock');
  await listen(
    createServer((socket) => socket.pipe(socket)),
    path,
  );
  const { port } = await startCommand(['0', `unix:${path}`]);
  await echoes(await openRaw(port));
});

test('a TLS backend is reached, and its certificate is checked', async () => {
  const tls = createTls(certificate(), (socket) => socket.pipe(socket));
  await listen(tls);
  const target = `tls:localhost:${portOf(tls)}`;
  const { 'ca.crt': ca } = await files({ 'ca.crt': certificate().cert });
  const unknown = await startCommand(['0', target]);
  expect((await knock(unknown.port)).status).toBe(502);
  const known = await startCommand(['0', target], { NODE_EXTRA_CA_CERTS: ca! });
  await echoes(await openRaw(known.port));
});

test('--web serves a folder and nothing outside of it', async () => {
  const { port: target } = await startEcho();
  const { folder } = await files({ 'secret.txt': 'secret' });
  const web = join(folder!, 'web');
  await mkdir(web);
  await writeFile(join(web, 'vnc.html'), '<p>desk</p>');
  await writeFile(join(web, '.hidden'), 'hidden');
  const { url, port } = await startCommand(['0', String(target), '--web', web]);

  for (const path of ['', 'vnc.html']) {
    const page = await fetch(url + path);
    expect([page.status, await page.text()]).toEqual([200, '<p>desk</p>']);
    expect(page.headers.get('x-powered-by')).toBeNull();
    expect(page.headers.get('x-content-type-options')).toBe('nosniff');
  }
  for (const path of ['/.hidden', '/../secret.txt', '/%2e%2e/secret.txt', '/none', '/%zz', '/a%00b']) {
    const client = new RawClient(port).send(pageRequest(path));
    const answer = (await client.rest()).toString();
    expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
    expect(answer).not.toMatch(/secret|hidden|\.js:\d+/);
  }
  await echoes(await openRaw(port));
});

test('--url opens tunnels at that path only', async () => {
  const { port: target } = await startEcho();
  const { port } = await startCommand(['0', String(target), '--url', '/vnc', '--url', '^/desk/\\d+$']);
  for (const path of ['/vnc', '/vnc/x', '/desk/12']) await echoes(await openRaw(port, path));
  for (const path of ['/', '/vncx', '/desk/a']) expect((await knock(port, path)).status).toBe(404);
});

test('--allow and --deny refuse by address', async () => {
  const { port: target } = await startEcho();
  const allowed = await startCommand(['0', String(target), '--allow', '10.0.0.0/8,127.0.0.1']);
  await echoes(await openRaw(allowed.port));
  const denied = await startCommand(['0', String(target), '--deny', '127.0.0.0/8']);
  expect((await knock(denied.port)).status).toBe(403);
  // With a trusted proxy the rule compares the address that the proxy reports.
  const behind = await startCommand([
    '0',
    String(target),
    '--deny',
    '192.0.2.1',
    '--trust-proxy',
    'loopback',
  ]);
  expect((await knock(behind.port, '/', { 'X-Forwarded-For': '192.0.2.1' })).status).toBe(403);
  await echoes(await openRaw(behind.port, '/', { 'X-Forwarded-For': '192.0.2.2' }));
});

test('on loopback only pages with a name of this machine may connect (DNS rebinding)', async () => {
  const { port: target } = await startEcho();
  const { port } = await startCommand(['0', String(target)]);
  const page = (host: string) => ({ Host: `${host}:${port}`, Origin: `http://${host}:${port}` });
  for (const host of ['localhost', '127.0.0.1', '[::1]', 'desk.localhost'])
    expect((await knock(port, '/', page(host))).status).toBe(101);
  expect((await knock(port, '/', page('rebound.example'))).status).toBe(403);
  for (const origin of ['http://other.example', 'http://localhost:1', 'null'])
    expect((await knock(port, '/', { ...page('localhost'), Origin: origin })).status).toBe(403);

  const named = await startCommand([
    '0',
    String(target),
    '--origin',
    'https://desk.example,https://b.example',
  ]);
  const behindProxy = { Host: 'desk.example', Origin: 'https://desk.example' };
  expect((await knock(named.port, '/', behindProxy)).status).toBe(101);
  expect((await knock(named.port, '/', { ...behindProxy, Origin: 'https://c.example' })).status).toBe(403);
});

test("a unix socket next to the port does not get the port's guard (DNS rebinding)", async () => {
  const { port: target } = await startEcho();
  const { folder } = await files({});
  const socket = join(folder!, 's');
  const { port } = await startCommand(['--listen', '0', '--unix', socket, String(target)]);
  const page = (host: string) => ({ Host: host, Origin: `http://${host}` });
  expect((await knock(port, '/', page('rebound.example'))).status).toBe(403);
  await echoes(await openRaw(port, '/', page('localhost')));
  await echoes(await openRaw(connect(socket), '/', page('public.example')));
});

test('--tokens maps each token to a target, and a changed file is read again', async () => {
  const [a, b] = [await startNamed('a'), await startNamed('b')];
  const { tokens } = await files({ tokens: `# desks\n\nsecret-1: 127.0.0.1:${a}\n  with:colon:   ${b}\n` });
  const { program, port } = await startCommand(['--listen', '0', '--tokens', tokens!, '-v']);
  expect(await nameAt(port, '/websockify?token=secret-1')).toBe('a');
  expect(await nameAt(port, '/?x=1&token=with%3Acolon')).toBe('b');
  for (const query of ['', '?token=', '?token=secret-2', '?token=secret-1x'])
    expect((await knock(port, `/websockify${query}`)).status).toBe(404);

  await writeFile(tokens!, `secret-2: ${b}\n`);
  expect(await nameAt(port, '/?token=secret-2')).toBe('b');
  expect((await knock(port, '/?token=secret-1')).status).toBe(404);

  // An invalid line leaves the other lines in force, and is reported once.
  await writeFile(tokens!, `secret-3\nsecret-4: ${a}\n`);
  for (let i = 0; i < 3; i++) expect(await nameAt(port, '/?token=secret-4')).toBe('a');
  for (const token of ['secret-2', 'secret-3'])
    expect((await knock(port, `/?token=${token}`)).status).toBe(404);
  await program.prints(/tokens:1: a line must be "token: HOST:PORT"/);
  expect(program.output.match(/a line must be/g)).toHaveLength(1);
  expect(program.output).not.toMatch(/secret-|with:colon/);
});

test('-v prints tunnels, --log writes them as JSON, and neither contains secrets', async () => {
  const { port: target } = await startEcho();
  const { program, port } = await startCommand(['0', String(target), '-v', '--log', '-']);
  const client = await openRaw(port, '/vnc?token=s3cret');
  await echoes(client);
  client.socket.destroy();
  await program.prints(
    /^close {3}127\.0\.0\.1 \/vnc\?token=\*\*\* -> 127\.0\.0\.1:\d+: 1006.*; 4 B in, 4 B out, \d/m,
  );
  expect(program.output).toMatch(/^open {4}127\.0\.0\.1 \/vnc\?token=\*\*\* -> 127\.0\.0\.1:\d+$/m);
  const events = program.output.split('\n').filter((line) => line.startsWith('{'));
  expect(events.map((line) => JSON.parse(line) as object)).toMatchObject([
    { event: 'open', url: '/vnc?token=***', address: '127.0.0.1', backend: `127.0.0.1:${target}` },
    { event: 'close', code: 1006, bytesIn: 4, bytesOut: 4 },
  ]);
  expect(program.output).not.toContain('s3cret');
});

test('a backend that does not listen gets 502, and -v reports it', async () => {
  const backend = await startEcho();
  backend.server.close();
  const { program, port } = await startCommand(['0', String(backend.port), '-v']);
  expect((await knock(port)).status).toBe(502);
  await program.prints(/^refuse {2}127\.0\.0\.1 \/websockify: 502 /m);
  await holds(() => expect(program.output).toMatch(/^backend 127\.0\.0\.1:\d+ is down: /m));
});

import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { io } from 'socket.io-client';
import ts from 'typescript';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { ask, connectHttp2, openOverHttp2, refusal } from '../support/http2.js';
import { execute, JUPYTER, startJupyter } from '../support/jupyter.js';
import { describeWith } from '../support/programs.js';
import { startNginx } from '../support/proxies.js';
import { filled } from '../shared/replica-sites.js';
import { askRedis, startRedis } from '../support/redis.js';
import { frame, handshake, openRaw, RawClient } from '../support/raw-client.js';
import {
  accepts,
  closedPort,
  listen,
  makeTunnel,
  portOf,
  startApp,
  startBackend,
  startEcho,
} from '../support/servers.js';
import { processesWith, temporaryFolder } from '../support/spawned.js';
import { startSshd } from '../support/sshd.js';
import { holds, sleep, until } from '../support/wait.js';
import { echoes, guards, knock, PATH, start, startEdited } from './guarded.js';
import { logIn, makeProject, request } from './recipe.js';
import { JWT_SECRET, PASSWORD, RECIPES, startRecipe, type Site } from './start.js';

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
const ANN = new URLSearchParams({ username: 'ann', password: PASSWORD }).toString();

describe.each(['sessions.mjs', 'passport.mjs'])('%s', (name) => {
  test('the login opens the tunnel and the logout ends it', async () => {
    const { dial } = await start(name);
    const stranger = await knock(dial());
    expect(stranger.status).toBe(401);
    expect(stranger.headers['set-cookie']).toBeUndefined();
    const wrong = await request(dial(), 'POST', '/login', FORM, 'username=ann&password=wrong');
    expect(wrong.status).toBe(401);
    expect((await request(dial(), 'POST', '/login')).status).toBeOneOf([400, 401]);

    const ann = await logIn(dial(), 'ann');
    const bob = await logIn(dial(), 'bob');
    const [hers, his] = [await openRaw(dial(), PATH, ann), await openRaw(dial(), PATH, bob)];
    await echoes(hers);
    await echoes(his);
    expect((await request(dial(), 'POST', '/logout')).status).toBe(401);

    const out = await request(dial(), 'POST', '/logout', ann);
    expect(out).toMatchObject({ status: 303, headers: { location: '/' } });
    expect(await hers.close()).toEqual({ code: 1008, reason: 'logged out' });
    expect((await knock(dial(), ann)).status).toBe(401);
    await echoes(his);
  });

  test('issue 16: the tunnel ends with its session, also without a call of end()', async () => {
    const { dial } = await startEdited(name, [
      ['revalidate: 60', 'revalidate: 0.2'],
      [/^ *tunnel\.end.*$/m, ''],
    ]);
    const [here, there] = [await logIn(dial(), 'ann'), await logIn(dial(), 'ann')];
    const tunnel = await openRaw(dial(), PATH, here);
    const other = await openRaw(dial(), PATH, there);
    expect((await request(dial(), 'POST', '/logout', here)).status).toBe(303);
    expect(await tunnel.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    await sleep(1000);
    await echoes(other);
  });

  test('a login makes a new session id', async () => {
    const { dial } = await start(name);
    const before = await logIn(dial());
    const after = await logIn(dial(), 'bob', before);
    expect(after.Cookie).not.toBe(before.Cookie);
    expect((await knock(dial(), before)).status).toBe(401);
  });

  test('a page of another site gets 403', async () => {
    const { dial } = await start(name);
    const foreign = { ...(await logIn(dial())), Origin: 'https://elsewhere.example' };
    expect((await knock(dial(), foreign)).status).toBe(403);
  });
});

describe('jwt', () => {
  const token = (claims: Record<string, unknown> = {}, secret = JWT_SECRET) =>
    new SignJWT({
      sub: 'ann',
      iss: 'https://login.example.com',
      aud: 'desktop',
      exp: Math.floor(Date.now() / 1000) + 60,
      ...claims,
    })
      .setProtectedHeader({ alg: 'HS256' })
      .sign(Buffer.from(secret, 'base64'));

  test('a token opens the tunnel, in the query or in a cookie', async () => {
    const { dial } = await start('jwt.mjs');
    expect((await knock(dial())).status).toBe(401);
    await echoes(await openRaw(dial(), `${PATH}?token=${await token()}`));
    await echoes(await openRaw(dial(), PATH, { Cookie: `token=${await token()}` }));
  });

  test('issue 16: a tunnel ends with the token of its cookie, and outlives a token of the query', async () => {
    const { dial } = await startEdited('jwt.mjs', [['revalidate: 60', 'revalidate: 0.2']]);
    const exp = Math.floor(Date.now() / 1000) + 3;
    const byCookie = await openRaw(dial(), PATH, { Cookie: `token=${await token({ exp })}` });
    const byQuery = await openRaw(dial(), `${PATH}?token=${await token({ exp })}`);
    await echoes(byCookie);
    expect(await byCookie.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    expect((await knock(dial(), {}, `${PATH}?token=${await token({ exp })}`)).status).toBe(401);
    await sleep(1000);
    await echoes(byQuery);
  });

  test('the program prints a URL that opens a tunnel', async () => {
    const { program, dial, port } = await start('jwt.mjs', { JWT_SECRET: '' });
    const [, url = ''] = await program.prints(/^for five minutes: (ws:\S+)$/m);
    expect(new URL(url).port).toBe(String(port));
    await echoes(await openRaw(dial(), url.slice(url.indexOf('/vnc'))));
  });

  test('an invalid token gets 401', async () => {
    const { dial } = await start('jwt.mjs');
    const bad = [
      '',
      'nonsense',
      await token({ exp: Math.floor(Date.now() / 1000) - 1 }),
      await token({ exp: undefined }),
      await token({ sub: undefined }),
      await token({ aud: 'mail' }),
      await token({ iss: 'https://elsewhere.example' }),
      await token({}, Buffer.alloc(32, 'other').toString('base64')),
      `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await token()).split('.')[1]}.`,
    ];
    for (const one of bad) {
      expect((await knock(dial(), {}, `${PATH}?token=${one}`)).status).toBe(401);
      expect((await knock(dial(), { Cookie: `token=${one}` })).status).toBe(401);
    }
    const good = await token();
    expect((await knock(dial(), {}, `${PATH}?token=${good}&token=${good}`)).status).toBe(401);
  });
});

describe('tokens', () => {
  test('a line of the file and a signed token open their targets, and no token leads elsewhere', async () => {
    const [{ port }, other] = [await startEcho(), await startEcho()];
    const folder = await temporaryFolder();
    await writeFile(join(folder, 'list'), `abc: 127.0.0.1:${port}\nfar: 127.0.0.1:${other.port}\n`);
    const env = { JWT_SECRET: '', TOKENS: join(folder, 'list'), TARGETS: `127.0.0.1:${port}` };
    const { program, dial } = await startRecipe('tokens.mjs', env);
    const [, url = ''] = await program.prints(/^for a minute: (ws:\S+)$/m);
    await echoes(await openRaw(dial(), url.slice(url.indexOf('/vnc'))));
    await echoes(await openRaw(dial(), `${PATH}?token=abc`));
    for (const token of ['', 'far', 'abcd', `${url.slice(url.indexOf('=') + 1)}x`])
      expect((await knock(dial(), {}, `${PATH}?token=${token}`)).status).toBe(404);
  });
});

/** The cookie that the program prints for a user. */
async function printedCookie({ program }: Site, username: string): Promise<{ Cookie: string }> {
  const [, Cookie = ''] = await program.prints(new RegExp(`^${username}: Cookie: (account=\\S+)$`, 'm'));
  return { Cookie };
}

test('tickets: a frame without cookies opens a tunnel with a ticket of the page, once', async () => {
  const { dial } = await start('tickets.mjs');
  const frame = { Origin: 'null' };
  expect((await knock(dial(), frame)).status).toBe(403);
  expect((await request(dial(), 'POST', '/ticket')).status).toBe(401);
  const ann = await logIn(dial());
  expect((await knock(dial(), { ...frame, ...ann })).status).toBe(403);
  const { body } = await request(dial(), 'POST', '/ticket', ann);
  const { ticket } = JSON.parse(body) as { ticket: string };
  const path = `${PATH}?ticket=${ticket}`;
  expect((await knock(dial(), { Origin: 'https://evil.test' }, path)).status).toBe(403);
  await echoes(await openRaw(dial(), path, frame));
  expect(await knock(dial(), frame, path)).toMatchObject({
    status: 403,
    body: 'this ticket cannot be used: ask the page for a new one\n',
  });
});

test('own-check: the answers of the check are the answers to the upgrade', async () => {
  const site = await start('own-check.mjs');
  const { dial } = site;
  expect((await knock(dial())).status).toBe(401);
  const poor = await knock(dial(), await printedCookie(site, 'bob'));
  expect(poor).toMatchObject({ status: 403, body: 'Your plan has no desktop.\n' });
  expect((await knock(dial(), { Cookie: 'account=ann' })).status).toBe(401);
  await echoes(await openRaw(dial(), PATH, await printedCookie(site, 'ann')));
});

test('backend-per-user: a user without a desktop gets 404', async () => {
  const site = await start('backend-per-user.mjs');
  await guards(site);
  expect((await knock(site.dial(), await logIn(site.dial(), 'bob'))).status).toBe(404);
});

describeWith(...JUPYTER)('jupyter', () => {
  test('the login opens pages and WebSockets of Jupyter, and the logout ends the WebSockets', async () => {
    const jupyter = await startJupyter();
    const path = `/lab${await jupyter.startKernel()}`;
    const { dial } = await startRecipe('jupyter.mjs', {
      JUPYTER: jupyter.address,
      JUPYTER_TOKEN: jupyter.token,
    });
    expect((await knock(dial(), {}, path)).status).toBe(401);
    expect((await request(dial(), 'GET', '/lab/api/kernels')).status).toBe(401);
    const ann = await logIn(dial());
    expect((await request(dial(), 'GET', '/lab/api/kernels', ann)).body).toContain('"id"');
    expect((await knock(dial(), { ...ann, Origin: 'http://elsewhere.test' }, path)).status).toBe(403);
    expect((await knock(dial(), ann, '/lab/api/kernels/none/channels')).status).toBe(404);
    const client = await openRaw(dial(), path, ann);
    client.send(frame(1, execute('1+1')));
    await client.shows(/"execute_result"/);
    expect((await request(dial(), 'POST', '/logout', ann)).status).toBe(303);
    expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
    expect((await knock(dial(), ann, path)).status).toBe(401);
  });
});

describeWith('Xvnc', 'xterm')('desktop-per-user', () => {
  /** Speaks RFB 3.8 up to the name of the desktop. */
  async function nameOf(client: RawClient): Promise<string> {
    expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
    client.send(frame(2, 'RFB 003.008\n'));
    // The server offers one security type, None, and reports success.
    let rest = await client.payload(2);
    expect([...rest]).toEqual([1, 1]);
    client.send(frame(2, Buffer.from([1])));
    expect((await client.payload(4)).readUInt32BE()).toBe(0);
    client.send(frame(2, Buffer.from([1])));
    for (rest = await client.payload(24); rest.length < 24 + rest.readUInt32BE(20);)
      rest = Buffer.concat([rest, await client.payload(1)]);
    return rest.toString('utf8', 24);
  }

  test('each user gets a desktop, and no process is left at the end', async () => {
    const TMPDIR = await temporaryFolder();
    const { dial, program } = await startRecipe('desktop-per-user.mjs', { TMPDIR });
    expect((await knock(dial())).status).toBe(401);
    const [ann, bob] = [await logIn(dial()), await logIn(dial(), 'bob')];
    expect(await nameOf(await openRaw(dial(), PATH, ann))).toBe('ann');
    expect(await nameOf(await openRaw(dial(), PATH, bob))).toBe('bob');
    const started = processesWith('WSTUNNEL_SOCKET=', TMPDIR).length;
    // The terminals run too: a shell, Xvnc, xterm and its shell.
    expect(started).toBeGreaterThanOrEqual(2 * 3);
    expect(await nameOf(await openRaw(dial(), PATH, ann))).toBe('ann');
    const sockets = (await readdir(TMPDIR, { recursive: true })).filter((name) => /\/\d+$/.test(name));
    expect(sockets).toHaveLength(2);
    await program.stop();
    await until(() => processesWith(TMPDIR).length === 0);
    await until(async () => (await readdir(TMPDIR)).every((name) => !name.startsWith('wstunnel-')));
  });
});

describeWith('socat')('shell-with-socat', () => {
  test('each tunnel gets a shell, and no process is left at the end', async () => {
    const TMPDIR = await temporaryFolder();
    const { dial, program } = await startRecipe('shell-with-socat.mjs', { TMPDIR });
    expect((await knock(dial(), {}, '/shell')).status).toBe(401);
    const cookie = await logIn(dial());
    const shells = [await openRaw(dial(), '/shell', cookie), await openRaw(dial(), '/shell', cookie)];
    const pids: string[] = [];
    for (const client of shells) {
      client.send(frame(2, 'echo pid-$$-\n'));
      const [, pid = ''] = await client.shows(/pid-(\d+)-/);
      pids.push(pid);
      // Issue 13, case 24: the answer was empty, and "0 0".
      client.send(frame(2, 'echo $TERM $(stty size)\n'));
      await client.shows(/\nxterm-256color 24 80\r\n/);
    }
    expect(pids[0]).not.toBe(pids[1]);
    shells[0]?.socket.destroy();
    shells[1]?.socket.destroy();
    await until(() => processesWith('WSTUNNEL_SOCKET=', TMPDIR).length === 0);
    await openRaw(dial(), '/shell', cookie);
    await program.stop();
    await until(() => processesWith(TMPDIR).length === 0);
  });
});

describe('several backends', () => {
  const hello = (name: string) => startBackend((socket) => void socket.write(name));

  /** Opens tunnels for ann, and returns each backend's greeting. */
  async function openFor(site: Site) {
    const cookie = await logIn(site.dial());
    const open = async () => (await (await openRaw(site.dial(), PATH, cookie)).payload(1)).toString();
    return { ...site, cookie, open };
  }

  test('a user keeps the host, a dead host is skipped, the backup comes last', async () => {
    const [one, two] = [await hello('1'), await hello('2')];
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-socket-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const socket = join(folder, 'vnc.sock');
    await listen(
      createServer((peer) => void peer.write('3')),
      socket,
    );
    const ports = { VNC_PORT_1: String(one.port), VNC_PORT_2: String(two.port) };
    const { dial, open } = await openFor(
      await startRecipe('several-backends.mjs', { ...ports, VNC_SOCKET: socket }),
    );
    expect((await knock(dial())).status).toBe(401);
    const first = await open();
    expect([await open(), await open()]).toEqual([first, first]);
    const [own, other] = first === '1' ? [one, two] : [two, one];
    own.server.close();
    expect(await open()).toBe(first === '1' ? '2' : '1');
    other.server.close();
    expect(await open()).toBe('3');
  });

  test('own-balance: at most four tunnels on each, else 503', async () => {
    const backends = [await hello('1'), await hello('2'), await hello('3')];
    const VNC_PORTS = backends.map(({ port }) => port).join(',');
    const { dial, cookie, open } = await openFor(await startRecipe('own-balance.mjs', { VNC_PORTS }));
    const opened: string[] = [];
    for (let i = 0; i < 12; i++) opened.push(await open());
    expect(opened.join('')).toBe('111122223333');
    expect((await knock(dial(), cookie)).status).toBe(503);
  });
});

describeWith('nginx', 'openssl')('behind nginx', () => {
  test('over TLS, the app sees the address of the client', async () => {
    const app = await start('behind-nginx.mjs');
    const nginx = await startNginx(app.port);
    const dial = () => nginx.dial();
    const host = `127.0.0.1:${nginx.port}`;
    const here = { Host: host, Origin: `https://${host}` };
    expect((await knock(dial(), here)).status).toBe(401);
    const form = await request(dial(), 'POST', '/login', FORM, ANN);
    // `secure: 'auto'` has detected https.
    expect(form.headers['set-cookie']).toContain('Secure');
    const cookie = await logIn(dial());
    await echoes(await openRaw(dial(), PATH, { ...here, ...cookie }));
    expect((await knock(dial(), { ...cookie, Origin: 'https://127.0.0.1' })).status).toBe(101);
    expect((await knock(dial(), { ...here, ...cookie, Origin: 'https://127.0.0.1' })).status).toBe(403);
    expect((await knock(dial(), { ...here, ...cookie, Origin: `http://${host}` })).status).toBe(403);

    // nginx replaces the client's header, and the app trusts nginx's header.
    const forged = { 'X-Forwarded-For': '192.0.2.7' };
    expect((await knock(dial(), { ...here, ...cookie, ...forged })).status).toBe(101);
    const direct = await knock(app.dial(), { ...(await logIn(app.dial())), ...forged });
    expect(direct.status).toBe(403);
  });
});

/** Files of a folder, by the variables in which a recipe looks for their paths. */
async function files(contents: Record<string, Uint8Array | string>): Promise<Record<string, string>> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-recipe-'));
  onCleanup(() => rm(folder, { recursive: true }));
  const paths = Object.fromEntries(Object.keys(contents).map((name) => [name, join(folder, name)]));
  for (const [name, content] of Object.entries(contents)) await writeFile(paths[name] ?? '', content);
  return paths;
}

describeWith('openssl')('https', () => {
  test('the tunnel is behind the login', async () => {
    const { key, cert } = certificate();
    const { port } = await start('https.mjs', await files({ KEY: key, CERT: cert }));
    await guards({ dial: () => connectTls({ port, host: '127.0.0.1', ca: cert }) });
  });
});

describeWith('openssl')('http2', () => {
  test('the tunnel is behind the login, and so are its pages', async () => {
    const { key, cert } = certificate();
    const { port } = await start('http2.mjs', await files({ KEY: key, CERT: cert }));
    await guards({ dial: () => connectTls({ port, host: '127.0.0.1', ca: cert }) });
    const http2 = await connectHttp2(port);
    expect((await refusal(http2, PATH)).status).toBe(401);
    const { Cookie: cookie } = await logIn(connectTls({ port, host: '127.0.0.1', ca: cert }));
    await echoes(await openOverHttp2(http2, PATH, { cookie }));
    expect((await ask(http2, { ':method': 'GET', ':path': PATH })).status).toBe(401);
  });
});

test('reason-on-page: the page gets the status as a close code', async () => {
  const { dial } = await start('reason-on-page.mjs');
  const outside = await openRaw(dial(), PATH);
  expect(await outside.close()).toEqual({ code: 4401, reason: 'you are not logged in' });
  const cookie = await logIn(dial());
  await echoes(await openRaw(dial(), PATH, cookie));

  const down = await startRecipe('reason-on-page.mjs', { VNC_PORT: String(await closedPort()) });
  const nobody = await openRaw(down.dial(), PATH, await logIn(down.dial()));
  expect((await nobody.close())?.code).toBe(4502);
});

// Issue 12, case 30: PM2 and Ctrl-C send SIGINT.
test.each(['SIGTERM', 'SIGINT'] as const)(
  'shutdown: %s closes open tunnels and the process ends',
  async (name) => {
    const site = await start('shutdown.mjs', { GRACE: '0.1' });
    const client = await guards(site);
    const exited = once(site.program.process, 'exit');
    site.program.process.kill(name);
    expect((await client.close())?.code).toBe(1001);
    client.socket.end();
    expect(await exited).toEqual([0, null]);
  },
);

test('shutdown: open tunnels go on for the grace, until a second signal', async () => {
  const site = await start('shutdown.mjs', { GRACE: '3600' });
  const client = await guards(site);
  const exited = once(site.program.process, 'exit');
  site.program.process.kill('SIGTERM');
  await until(async () => !(await accepts({ port: site.port })));
  await echoes(client);
  site.program.process.kill('SIGTERM');
  expect((await client.close())?.code).toBe(1001);
  client.socket.end();
  expect(await exited).toEqual([0, null]);
});

test('several-cores: login, limits and logout apply to all workers', async () => {
  const site = await start('several-cores.mjs', { CORES: '2' });
  // Both workers listen on the same port.
  await site.program.prints(/listening[^]*listening/);
  expect((await knock(site.dial())).status).toBe(401);
  const { headers } = await request(site.dial(), 'POST', '/login', FORM, ANN);
  const cookie = { Cookie: pairsOf(headers['set-cookie'] ?? '') };
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await openRaw(site.dial(), PATH, cookie));
  for (const client of clients) await echoes(client);
  for (let i = 0; i < 4; i++) expect((await knock(site.dial(), cookie)).status).toBe(429);
  expect((await request(site.dial(), 'POST', '/logout', cookie)).status).toBe(303);
  for (const client of clients) expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
});

describeWith('redis-server')('several-processes', () => {
  test('the limits count for both processes, and a logout at one ends the tunnels of the other', async () => {
    const { port } = await startRedis();
    const env = { REDIS_URL: `redis://127.0.0.1:${port}` };
    const [one, other] = [
      await start('several-processes.mjs', env),
      await start('several-processes.mjs', env),
    ];
    await holds(() => {
      for (const { program } of [one, other]) expect(program.output).toContain('shared state up');
    });
    await filled(port);
    expect((await knock(one.dial())).status).toBe(401);
    const { headers } = await request(one.dial(), 'POST', '/login', FORM, ANN);
    const cookie = { Cookie: pairsOf(headers['set-cookie'] ?? '') };
    const here = await openRaw(one.dial(), PATH, cookie);
    const there = [await openRaw(other.dial(), PATH, cookie), await openRaw(other.dial(), PATH, cookie)];
    for (const client of [here, ...there]) await echoes(client);
    for (const site of [one, other]) expect((await knock(site.dial(), cookie)).status).toBe(429);
    expect((await request(one.dial(), 'POST', '/logout', cookie)).status).toBe(303);
    for (const client of [here, ...there])
      expect(await client.close()).toEqual({ code: 1008, reason: 'logged out' });
  });

  test('SIGTERM closes the tunnels, frees their slots in Redis and ends the process', async () => {
    const { port } = await startRedis();
    const site = await start('several-processes.mjs', { REDIS_URL: `redis://127.0.0.1:${port}` });
    const { headers } = await request(site.dial(), 'POST', '/login', FORM, ANN);
    const cookie = { Cookie: pairsOf(headers['set-cookie'] ?? '') };
    const client = await openRaw(site.dial(), PATH, cookie);
    await echoes(client);
    const exited = once(site.program.process, 'exit');
    site.program.process.kill('SIGTERM');
    expect(await client.close()).toMatchObject({ code: 1001 });
    client.socket.destroy();
    expect(await exited).toEqual([0, null]);
    const ids = await askRedis(port).zrange('wstunnel:{1}:replicas', '0', '-1');
    expect(ids.filter((id) => id !== '#')).toEqual([]);
  });

  test('without Redis the program starts, and opens tunnels', async () => {
    const site = await start('several-processes.mjs', {
      REDIS_URL: `redis://127.0.0.1:${await closedPort()}`,
    });
    const { headers } = await request(site.dial(), 'POST', '/login', FORM, ANN);
    const cookie = { Cookie: pairsOf(headers['set-cookie'] ?? '') };
    await echoes(await openRaw(site.dial(), PATH, cookie));
    await site.program.prints(/shared state down/);
    const exited = once(site.program.process, 'exit');
    site.program.process.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

/** `a=1; path=/, a.sig=2; path=/` in the form of a request's Cookie header. */
function pairsOf(setCookie: string): string {
  return setCookie
    .split(/,\s*(?=[^;]+=)/)
    .map((one) => one.split(';')[0])
    .join('; ');
}

test('audit: each event is a line, and the numbers are on another port', async () => {
  const site = await start('audit.mjs', { STATS_PORT: '0' });
  const client = await guards(site);
  const cookie = await logIn(site.dial());
  const secret = 'a-token-nobody-may-read';
  await knock(site.dial(), { ...cookie, Origin: 'https://a.example' }, `${PATH}?token=${secret}`);
  client.socket.destroy();
  await site.program.prints(/"event":"close".*\n/);
  const lines = site.program.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.map(({ event }) => event)).toEqual(['open', 'refuse', 'close']);
  expect(lines[0]).toMatchObject({ user: 'ann', address: '127.0.0.1', url: PATH });
  expect(lines[1]).toMatchObject({ status: 403, code: 'WSTUNNEL_ORIGIN_REFUSED' });
  expect(lines[2]).toMatchObject({ bytesIn: 4, bytesOut: 4, code: 1006 });
  expect(Number.isNaN(Date.parse(String(lines[0]?.time)))).toBe(false);
  expect(site.program.output).not.toContain(secret);

  const [, port] = await site.program.prints(/^statistics on .*:(\d+)\/$/m);
  const stats = await request(connect(Number(port), '127.0.0.1'), 'GET', '/');
  expect(JSON.parse(stats.body)).toMatchObject({ open: 0, opened: 1, bytesIn: 4 });
  // Issue 13, case 16: DNS rebinding.
  const rebound = { Host: `evil.example:${port}` };
  const foreign = await request(connect(Number(port), '127.0.0.1'), 'GET', '/', rebound);
  expect(foreign).toMatchObject({ status: 403, body: expect.not.stringContaining('opened') as string });
});

test('socket-io: the page of socket.io and the tunnel work on one server', async () => {
  const site = await start('socket-io.mjs');
  const socket = io(`http://127.0.0.1:${site.port}`, { transports: ['websocket'] });
  onCleanup(() => socket.close());
  await new Promise((resolve) => socket.on('hello', () => resolve(undefined)));
  const client = await guards(site);
  await echoes(client);
  expect(socket.connected).toBe(true);
});

describe('http-proxy-middleware', () => {
  test('before: an upgrade without a login gets through', async () => {
    const echo = await startEcho();
    const far = await startApp((app) => app.use(makeTunnel({ server: { port: echo.port } })));
    const { dial } = await startRecipe('http-proxy-middleware-before.mjs', {
      WEBSOCKIFY: `http://127.0.0.1:${far.port}`,
    });
    // The proxy attaches to the server at the first request to its path.
    expect((await request(dial(), 'GET', '/vnc/')).status).toBe(401);
    expect((await request(dial(), 'GET', '/vnc/', await logIn(dial()))).status).toBe(404);
    expect((await knock(dial())).status).toBe(101);
    expect((await knock(dial(), {}, '/elsewhere')).status).toBe(101);
  });

  test('after: an upgrade without a login gets 401', async () => {
    const site = await start('http-proxy-middleware-after.mjs');
    await guards(site);
    // Issue 13, case 21: the status was 404 before.
    expect((await request(site.dial(), 'GET', '/vnc/', await logIn(site.dial()))).status).toBe(426);
    expect((await knock(site.dial())).status).toBe(401);
    expect((await knock(site.dial(), {}, '/elsewhere')).status).toBe(404);
  });
});

test('connect: the session guards the tunnel', async () => {
  const site = await start('connect.mjs');
  await guards(site);
  const wrong = await request(site.dial(), 'POST', '/login', FORM, 'username=ann&password=wrong');
  expect(wrong.status).toBe(401);
});

test('http: other requests go to the handler of the app', async () => {
  const site = await start('http.mjs');
  const { dial } = site;
  expect((await knock(dial())).status).toBe(401);
  const cookie = await printedCookie(site, 'ann');
  await echoes(await openRaw(dial(), PATH, cookie));
  expect((await knock(dial(), cookie, '/elsewhere')).status).toBe(404);
  const page = await request(dial(), 'GET', '/');
  expect(page).toMatchObject({ status: 404, body: 'not found\n' });
});

test('nestjs: the tunnel works beside controllers and closes with the app', async () => {
  const site = await start('nestjs.mjs');
  const client = await guards(site);
  expect(await request(site.dial(), 'GET', '/')).toMatchObject({ status: 200, body: 'a page of Nest' });
  const exited = once(site.program.process, 'exit');
  site.program.process.kill('SIGTERM');
  expect((await client.close())?.code).toBe(1001);
  client.socket.end();
  expect(await exited).toEqual([0, null]);
});

test('typescript: it compiles, and only with the types that it declares', async () => {
  const text = await readFile(join(RECIPES, 'typescript.ts'), 'utf8');
  const compile = async (source: string, ...more: string[]) => {
    const folder = await makeProject('main.ts', source);
    const tsc = join(folder, 'node_modules/typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    return promisify(execFile)(process.execPath, [tsc, ...flags, ...more, 'main.ts'], { cwd: folder }).then(
      () => '',
      (error: unknown) => (error as { stdout: string }).stdout,
    );
  };
  const [asItIs, withoutRequest, withoutUser] = await Promise.all([
    compile(text),
    compile(text.replace('<Request>(', '('), '--skipLibCheck'),
    compile(text.replace('user: string;', ''), '--skipLibCheck'),
  ]);
  expect(asItIs).toBe('');
  expect(withoutRequest).toContain("'session' does not exist");
  expect(withoutUser).toContain("'user' does not exist");
}, 120_000);

test('typescript: the session guards the tunnel', async () => {
  const { outputText } = ts.transpileModule(await readFile(join(RECIPES, 'typescript.ts'), 'utf8'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 },
  });
  const folder = await makeProject('typescript.js', outputText);
  const { port } = await startEcho();
  await guards(await startRecipe('typescript.js', { VNC_PORT: String(port) }, { folder }));
});

test('nextjs: the tunnel is behind the login, and Next has all other paths', async () => {
  // A copy of the recipe in a project with a fake Next, which only reports its requests.
  const folder = await makeProject('nextjs.mjs', await readFile(join(RECIPES, 'nextjs.mjs'), 'utf8'));
  for (const file of ['login.mjs', 'accounts.mjs']) await cp(join(RECIPES, file), join(folder, file));
  const next = join(folder, 'node_modules/next');
  await mkdir(next);
  await writeFile(join(next, 'package.json'), '{ "type": "module", "exports": "./index.js" }');
  await writeFile(
    join(next, 'index.js'),
    `export default ({ dev, hostname }) => ({
      prepare: async () => undefined,
      getRequestHandler: () => (req, res) => res.end(\`a page of Next at \${hostname}, dev: \${dev}\`),
    });`,
  );
  const { port } = await startEcho();
  const site = await startRecipe('nextjs.mjs', { VNC_PORT: String(port) }, { folder });
  await guards(site);
  const page = await request(site.dial(), 'GET', '/any/page');
  expect(page).toMatchObject({ status: 200, body: 'a page of Next at 127.0.0.1, dev: true' });
});

test('backend-with-tls: a backend with TLS, by a private authority', async () => {
  const { key, cert } = certificate();
  const backend = createTls({ key, cert }, (socket) => socket.on('error', () => undefined).pipe(socket));
  await listen(backend);
  const VNC_PORT = String(portOf(backend));
  await guards(await startRecipe('backend-with-tls.mjs', { VNC_PORT, ...(await files({ CA: cert })) }));
});

test('in-process-shell: a tunnel has a shell of the user who is logged in', async () => {
  const { dial } = await startRecipe('in-process-shell.mjs');
  expect((await knock(dial(), {}, '/shell')).status).toBe(401);
  const client = await openRaw(dial(), '/shell', await logIn(dial(), 'ann'));
  client.send(frame(2, 'echo "<$USER>"\nexit\n'));
  await client.shows(/<ann>/);
  expect(await client.close()).toMatchObject({ code: 1000 });
});

test('in-process-shell: programs in the shell end with the tunnel', async () => {
  const mark = `SPEC_SHELL_${process.pid}=yes`;
  const { dial } = await startRecipe('in-process-shell.mjs');
  const client = await openRaw(dial(), '/shell', await logIn(dial(), 'ann'));
  client.send(frame(2, `${mark} exec sh -c 'sleep 300; true'\n`));
  await until(() => processesWith(mark).length === 2);
  client.socket.destroy();
  await until(() => processesWith(mark).length === 0);
});

describeWith('sshd', 'ssh-keygen')('in-process-ssh', () => {
  test('a terminal at a real sshd, whose key is checked', async () => {
    const server = await startSshd();
    const run = async (hostKey: Buffer) =>
      startRecipe('in-process-ssh.mjs', {
        SSH_PORT: String(server.port),
        SSH_USER: userInfo().username,
        ...(await files({ SSH_KEY: server.clientKey, SSH_HOST_KEY: hostKey })),
      });
    const { dial } = await run(server.hostKey);
    expect((await knock(dial(), {}, '/terminal')).status).toBe(401);
    const client = await openRaw(dial(), '/terminal', await logIn(dial()));
    client.send(frame(2, 'echo $((6 * 7))-$TERM\nexit\n'));
    await client.shows(/42-xterm-256color/);
    expect(await client.close()).toMatchObject({ code: 1000 });

    const other = await run(server.otherKey);
    expect((await knock(other.dial(), await logIn(other.dial()), '/terminal')).status).toBe(500);
  });
});

test("lighttpd-conf: the documentation's noVNC example", async () => {
  const { port } = await startEcho();
  const web = await mkdtemp(join(tmpdir(), 'wstunnel-web-'));
  onCleanup(() => rm(web, { recursive: true }));
  await writeFile(join(web, 'vnc.html'), 'noVNC');
  const conf = `server.document-root = "${web}"
server.modules += ( "mod_wstunnel" )
server.port = 8080
server.bind = "127.0.0.1"
$HTTP["url"] =~ "^/websockify" {
    wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => "${port}" ) ) )
    wstunnel.frame-type = "binary"
    server.stream-request-body  = 2
    server.stream-response-body = 2
}
`;
  const { dial } = await startRecipe('lighttpd-conf.mjs', await files({ LIGHTTPD_CONF: conf }));
  expect((await request(dial(), 'GET', '/vnc.html')).body).toBe('noVNC');
  await echoes(await openRaw(dial(), '/websockify'));
  expect((await knock(dial(), {}, '/other')).status).toBe(404);
});

test('proxy-protocol: the backend gets the header before the first byte', async () => {
  const backend = await startBackend();
  const { dial } = await startRecipe('proxy-protocol.mjs', { VNC_PORT: String(backend.port) });
  await openRaw(dial(), PATH, await logIn(dial()));
  await until(() => backend.received().length === 28);
  expect(backend.received().subarray(0, 12).toString('latin1')).toBe('\r\n\r\n\0\r\nQUIT\n');
});

test('rules: by path, query and address', async () => {
  const hello = (name: string) => (socket: Socket) => void socket.write(name);
  const [vnc, ssh] = [await startBackend(hello('vnc')), await startBackend(hello('ssh'))];
  const { dial, port } = await startRecipe('rules.mjs', {
    VNC_PORT: String(vnc.port),
    SSH_PORT: String(ssh.port),
    INSIDE: '127.0.0.2',
  });
  const dialInside = () => connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' });
  const cookie = await logIn(dial());
  for (const path of ['/desk/vnc', '/desk/ssh/1']) {
    const client = await openRaw(dialInside(), path, cookie);
    expect((await client.payload(3)).toString()).toBe(path.slice(6, 9));
  }
  const text = await openRaw(dialInside(), '/desk/vnc?text', { ...cookie, 'User-Agent': 'New' });
  expect((await text.frame())?.opcode).toBe(1);
  expect((await knock(dialInside(), cookie, '/desk/other')).status).toBe(404);
  // Issue 12, case 19: a Host that the client writes skips no guard.
  for (const host of ['127.0.0.1', 'text.example.com', 'desk.internal'])
    expect(await knock(dial(), { ...cookie, Host: host }, '/desk/vnc')).toMatchObject({
      status: 403,
      body: 'https only\n',
    });
});

test('encrypted recordings: the disk has no byte of the tunnel, and an administrator plays the bytes', async () => {
  const folder = await temporaryFolder();
  const site = await start('encrypted-recordings.mjs', {
    RECORDINGS: folder,
    RECORDING_KEY: 'ab'.repeat(32),
  });
  const client = await guards(site);
  client.socket.destroy();
  await until(async () => (await readdir(folder)).some((name) => name.endsWith('.wsrec.enc')));
  const [name = ''] = await readdir(folder);
  const bytes = await readFile(join(folder, name));
  expect(bytes.includes('ping')).toBe(false);
  expect(bytes.includes('WSREC')).toBe(false);

  const play = (path: string, cookie: object) =>
    new RawClient(site.dial()).send(handshake(`/play/${path}`, { ...cookie }));
  const id = name.replace('.wsrec.enc', '');
  const player = play(id, await logIn(site.dial()));
  expect((await player.answer()).status).toBe(101);
  expect((await player.payload(4)).toString()).toBe('ping');
  expect((await play(id, await logIn(site.dial(), 'bob')).answer()).status).toBe(403);
  expect((await play('nowhere', await logIn(site.dial())).answer()).status).toBe(404);
});

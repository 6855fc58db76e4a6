import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTls } from 'node:tls';
import { promisify } from 'node:util';
import { SignJWT } from 'jose';
import { io } from 'socket.io-client';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { ask, connectHttp2, openOverHttp2, refusal } from '../support/http2.js';
import { describeWith } from '../support/programs.js';
import { startNginx } from '../support/proxies.js';
import { frame, handshake, openRaw, RawClient, type RawAnswer } from '../support/raw-client.js';
import {
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
import { until } from '../support/wait.js';
import {
  JWT_SECRET,
  logIn,
  makeProject,
  PAGES,
  README,
  recipe,
  recipeNames,
  request,
  runRecipe,
} from './recipe.js';

const PATH = '/vnc/websockify';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };
/** The recipes that were run. */
const covered = new Set<string>();

/** Runs a recipe in front of an echo. */
async function start(name: string, given: Parameters<typeof runRecipe>[1] = {}) {
  covered.add(name);
  const { port } = await startEcho();
  return runRecipe(name, { ...given, edits: [['port: 5900', `port: ${port}`], ...(given.edits ?? [])] });
}

async function echoes(client: RawClient): Promise<void> {
  client.send(frame(2, 'ping'));
  expect((await client.payload(4)).toString()).toBe('ping');
}

async function knock(socket: Socket, headers = {}, path = PATH): Promise<RawAnswer & { body: string }> {
  const client = new RawClient(socket).send(handshake(path, headers));
  const answer = await client.answer();
  // nginx keeps the connection.
  const body = answer.status === 101 ? '' : await client.take(Number(answer.headers['content-length']));
  return { ...answer, body: body.toString() };
}

/** Without the login 401, from the first request on; with it bytes flow. */
async function guards({ dial }: { dial: () => Socket }): Promise<RawClient> {
  expect((await knock(dial())).status).toBe(401);
  const client = await openRaw(dial(), PATH, await logIn(dial()));
  await echoes(client);
  expect((await knock(dial())).status).toBe(401);
  return client;
}

describe.each(['sessions', 'passport'])('%s', (name) => {
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

  test('a login makes a new session id', async () => {
    const { dial } = await start(name);
    const before = await logIn(dial());
    const after = await logIn(dial(), 'bob', before);
    expect(after.Cookie).not.toBe(before.Cookie);
    expect((await knock(dial(), before)).status).toBe(401);
  });

  test('pages of other sites stay out', async () => {
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

  test('in the query or in a cookie', async () => {
    const { dial } = await start('jwt');
    expect((await knock(dial())).status).toBe(401);
    await echoes(await openRaw(dial(), `${PATH}?token=${await token()}`));
    await echoes(await openRaw(dial(), PATH, { Cookie: `token=${await token()}` }));
  });

  test('no other token', async () => {
    const { dial } = await start('jwt');
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

test('authenticate: a check of your own', async () => {
  const { dial } = await start('authenticate');
  expect((await knock(dial())).status).toBe(401);
  const poor = await knock(dial(), { Cookie: 'account=bob' });
  expect(poor).toMatchObject({ status: 403, body: 'Your plan has no desktop.\n' });
  await echoes(await openRaw(dial(), PATH, { Cookie: 'account=ann' }));
});

test('per-user: a backend for each user', async () => {
  covered.add('per-user');
  const { port } = await startEcho();
  const site = await runRecipe('per-user', { env: { DESKTOP_OF_ANN: String(port) } });
  await guards(site);
  expect((await knock(site.dial(), await logIn(site.dial(), 'bob'))).status).toBe(404);
});

describeWith('Xvnc', 'xterm')('desktops', () => {
  /** Speaks RFB 3.8 up to the name of the desktop. */
  async function nameOf(client: RawClient): Promise<string> {
    expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
    client.send(frame(2, 'RFB 003.008\n'));
    // One security type, none; then all is well.
    let rest = await client.payload(2);
    expect([...rest]).toEqual([1, 1]);
    client.send(frame(2, Buffer.from([1])));
    expect((await client.payload(4)).readUInt32BE()).toBe(0);
    client.send(frame(2, Buffer.from([1])));
    for (rest = await client.payload(24); rest.length < 24 + rest.readUInt32BE(20);)
      rest = Buffer.concat([rest, await client.payload(1)]);
    return rest.toString('utf8', 24);
  }

  test('one for each user, and none left', async () => {
    covered.add('desktops');
    const TMPDIR = await temporaryFolder();
    const { dial, program } = await runRecipe('desktops', { env: { TMPDIR } });
    expect((await knock(dial())).status).toBe(401);
    const [ann, bob] = [await logIn(dial()), await logIn(dial(), 'bob')];
    expect(await nameOf(await openRaw(dial(), PATH, ann))).toBe('ann');
    expect(await nameOf(await openRaw(dial(), PATH, bob))).toBe('bob');
    const started = processesWith('WSTUNNEL_SOCKET=', TMPDIR).length;
    // The terminals are there as well: a shell, Xvnc, xterm and its shell.
    expect(started).toBeGreaterThanOrEqual(2 * 3);
    expect(await nameOf(await openRaw(dial(), PATH, ann))).toBe('ann');
    const sockets = (await readdir(TMPDIR, { recursive: true })).filter((name) => /\/\d+$/.test(name));
    expect(sockets).toHaveLength(2);
    await program.stop();
    await until(() => processesWith(TMPDIR).length === 0);
    await until(async () => (await readdir(TMPDIR)).every((name) => !name.startsWith('wstunnel-')));
  });
});

describeWith('socat')('socat', () => {
  test('a shell for each tunnel, and none left', async () => {
    covered.add('socat');
    const TMPDIR = await temporaryFolder();
    const { dial, program } = await runRecipe('socat', { env: { TMPDIR } });
    expect((await knock(dial(), {}, '/shell')).status).toBe(401);
    const cookie = await logIn(dial());
    const shells = [await openRaw(dial(), '/shell', cookie), await openRaw(dial(), '/shell', cookie)];
    const pids: string[] = [];
    for (const client of shells) {
      client.send(frame(2, 'echo pid-$$-\n'));
      const [, pid = ''] = await client.shows(/pid-(\d+)-/);
      pids.push(pid);
      // Issue 13, case 24: it was empty, and 0 0.
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

describe('balance: several backends', () => {
  /** Three backends, each of which greets with its number. */
  async function startThree(edits: (readonly [string, string])[] = []) {
    covered.add('balance');
    const hello = (name: string) => (socket: Socket) => void socket.write(name);
    const [one, two] = [await startBackend(hello('1')), await startBackend(hello('2'))];
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-socket-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const socket = join(folder, 'vnc.sock');
    await listen(createServer(hello('3')), socket);
    const site = await runRecipe('balance', {
      edits: [
        ["'10.0.0.11', port: 5900", `'127.0.0.1', port: ${one.port}`],
        ["'10.0.0.12', port: 5900", `'127.0.0.1', port: ${two.port}`],
        ["'/run/vnc.sock'", JSON.stringify(socket)],
        ...edits,
      ],
    });
    const cookie = await logIn(site.dial());
    const open = async () => (await (await openRaw(site.dial(), PATH, cookie)).payload(1)).toString();
    return { ...site, one, two, cookie, open };
  }

  test('a user keeps the host, a dead one is passed over, the backup comes last', async () => {
    const { dial, one, two, open } = await startThree();
    expect((await knock(dial())).status).toBe(401);
    const first = await open();
    expect([await open(), await open()]).toEqual([first, first]);
    const [own, other] = first === '1' ? [one, two] : [two, one];
    own.server.close();
    expect(await open()).toBe(first === '1' ? '2' : '1');
    other.server.close();
    expect(await open()).toBe('3');
  });

  test('by a rule of your own', async () => {
    const strategy = /^balance: \{ pick.*\}(?= {3}\/\/)/m.exec(README)?.[0] ?? '';
    const { dial, cookie, open } = await startThree([
      ["balance: 'sticky',", `${strategy},`],
      [', backup: true', ''],
    ]);
    const opened: string[] = [];
    for (let i = 0; i < 12; i++) opened.push(await open());
    expect(opened.join('')).toBe('111122223333');
    expect((await knock(dial(), cookie)).status).toBe(503);
  });
});

describeWith('nginx', 'openssl')('behind nginx', () => {
  test('over TLS, with the client it names', async () => {
    const app = await start('nginx');
    const nginx = await startNginx(app.port);
    const dial = () => nginx.dial();
    const host = `127.0.0.1:${nginx.port}`;
    const here = { Host: host, Origin: `https://${host}` };
    expect((await knock(dial(), here)).status).toBe(401);
    const form = await request(dial(), 'POST', '/login', FORM, 'username=ann&password=secret+of+ann');
    // `secure: 'auto'` has seen https.
    expect(form.headers['set-cookie']).toContain('Secure');
    const cookie = await logIn(dial());
    await echoes(await openRaw(dial(), PATH, { ...here, ...cookie }));
    expect((await knock(dial(), { ...cookie, Origin: 'https://127.0.0.1' })).status).toBe(101);
    expect((await knock(dial(), { ...here, ...cookie, Origin: 'https://127.0.0.1' })).status).toBe(403);
    expect((await knock(dial(), { ...here, ...cookie, Origin: `http://${host}` })).status).toBe(403);

    // What the client writes nginx replaces; what nginx writes the app believes.
    const forged = { 'X-Forwarded-For': '192.0.2.7' };
    expect((await knock(dial(), { ...here, ...cookie, ...forged })).status).toBe(101);
    const direct = await knock(app.dial(), { ...(await logIn(app.dial())), ...forged });
    expect(direct.status).toBe(403);
  });
});

describeWith('openssl')('https', () => {
  test('the tunnel is behind the login', async () => {
    const { key, cert } = certificate();
    const { port } = await start('https', { files: { 'desktop.key': key, 'desktop.crt': cert } });
    await guards({ dial: () => connectTls({ port, host: '127.0.0.1', ca: cert }) });
  });
});

describeWith('openssl')('http2', () => {
  test('the tunnel is behind the login, and so are its pages', async () => {
    const { key, cert } = certificate();
    const { port } = await start('http2', { files: { 'desktop.key': key, 'desktop.crt': cert } });
    await guards({ dial: () => connectTls({ port, host: '127.0.0.1', ca: cert }) });
    const http2 = await connectHttp2(port);
    expect((await refusal(http2, PATH)).status).toBe(401);
    const { Cookie: cookie } = await logIn(connectTls({ port, host: '127.0.0.1', ca: cert }));
    await echoes(await openOverHttp2(http2, PATH, { cookie }));
    expect((await ask(http2, { ':method': 'GET', ':path': PATH })).status).toBe(401);
  });
});

test('reasons: the page gets the status as a close code', async () => {
  const { dial } = await start('reasons');
  const outside = await openRaw(dial(), PATH);
  expect(await outside.close()).toEqual({ code: 4401, reason: 'you are not logged in' });
  const cookie = await logIn(dial());
  await echoes(await openRaw(dial(), PATH, cookie));

  covered.add('reasons');
  const down = await runRecipe('reasons', { edits: [['port: 5900', `port: ${await closedPort()}`]] });
  const nobody = await openRaw(down.dial(), PATH, await logIn(down.dial()));
  expect((await nobody.close())?.code).toBe(4502);
});

// Issue 12, case 30: PM2 and Ctrl-C send SIGINT.
test.each(['SIGTERM', 'SIGINT'] as const)(
  'shutdown: %s closes open tunnels and the process ends',
  async (name) => {
    const site = await start('shutdown');
    const client = await guards(site);
    const exited = once(site.program.process, 'exit');
    site.program.process.kill(name);
    expect((await client.close())?.code).toBe(1001);
    client.socket.end();
    expect(await exited).toEqual([0, null]);
  },
);

test('cluster: the login counts in every worker, and tunnels open in each', async () => {
  const workers = [['availableParallelism()', '2']] as const;
  const site = await start('cluster', { edits: workers });
  // Both workers listen on the one port.
  await site.program.prints(/PORT[^]*PORT/);
  expect((await knock(site.dial())).status).toBe(401);
  const { headers } = await request(
    site.dial(),
    'POST',
    '/login',
    FORM,
    'username=ann&password=secret+of+ann',
  );
  const cookie = { Cookie: pairsOf(headers['set-cookie'] ?? '') };
  for (let i = 0; i < 4; i++) await echoes(await openRaw(site.dial(), PATH, cookie));
});

/** `a=1; path=/, a.sig=2; path=/` as a request sends it. */
function pairsOf(setCookie: string): string {
  return setCookie
    .split(/,\s*(?=[^;]+=)/)
    .map((one) => one.split(';')[0])
    .join('; ');
}

test('audit: one line for each event, and numbers', async () => {
  const site = await start('audit');
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

  const [, port] = await site.program.prints(/^9090 is PORT=(\d+)/m);
  const stats = await request(connect(Number(port), '127.0.0.1'), 'GET', '/');
  expect(JSON.parse(stats.body)).toMatchObject({ open: 0, opened: 1, bytesIn: 4 });
  // Issue 13, case 16: DNS rebinding.
  const rebound = { Host: `evil.example:${port}` };
  const foreign = await request(connect(Number(port), '127.0.0.1'), 'GET', '/', rebound);
  expect(foreign).toMatchObject({ status: 403, body: expect.not.stringContaining('opened') as string });
});

test('socket.io: both get what is theirs', async () => {
  const site = await start('socket.io');
  const socket = io(`http://127.0.0.1:${site.port}`, { transports: ['websocket'] });
  onCleanup(() => socket.close());
  await new Promise((resolve) => socket.on('hello', () => resolve(undefined)));
  const client = await guards(site);
  await echoes(client);
  expect(socket.connected).toBe(true);
});

describe('http-proxy-middleware', () => {
  test('before: past the login', async () => {
    covered.add('http-proxy-middleware before');
    const echo = await startEcho();
    const far = await startApp((app) => app.use(makeTunnel({ server: { port: echo.port } })));
    const { dial } = await runRecipe('http-proxy-middleware before', {
      edits: [['127.0.0.1:6080', `127.0.0.1:${far.port}`]],
    });
    // The proxy listens from the first request on that reaches it.
    expect((await request(dial(), 'GET', '/vnc/')).status).toBe(401);
    expect((await request(dial(), 'GET', '/vnc/', await logIn(dial()))).status).toBe(404);
    expect((await knock(dial())).status).toBe(101);
    expect((await knock(dial(), {}, '/elsewhere')).status).toBe(101);
  });

  test('after: behind it', async () => {
    const site = await start('http-proxy-middleware after');
    await guards(site);
    // Issue 13, case 21: 404 before.
    expect((await request(site.dial(), 'GET', '/vnc/', await logIn(site.dial()))).status).toBe(426);
    expect((await knock(site.dial())).status).toBe(401);
    expect((await knock(site.dial(), {}, '/elsewhere')).status).toBe(404);
  });
});

test('connect: the session guards the tunnel', async () => {
  const login = `app.use('/login', (req, res) => {
    req.session.user = 'ann';
    res.statusCode = 303;
    res.end();
  });\n`;
  const before = "app.use('/vnc', (req";
  await guards(await start('connect', { edits: [[before, login + before]] }));
});

test('http: the tunnel and a handler of your own', async () => {
  const { dial } = await start('http');
  expect((await knock(dial())).status).toBe(401);
  await echoes(await openRaw(dial(), PATH, { Cookie: 'account=ann' }));
  expect((await knock(dial(), { Cookie: 'account=ann' }, '/elsewhere')).status).toBe(404);
  const page = await request(dial(), 'GET', '/');
  expect(page).toMatchObject({ status: 404, body: 'not found\n' });
});

test('nestjs: beside its controllers, and down with it', async () => {
  const site = await start('nestjs');
  const client = await guards(site);
  expect(await request(site.dial(), 'GET', '/')).toMatchObject({ status: 200, body: 'a page of Nest' });
  const exited = once(site.program.process, 'exit');
  site.program.process.kill('SIGTERM');
  expect((await client.close())?.code).toBe(1001);
  client.socket.end();
  expect(await exited).toEqual([0, null]);
});

test('typescript: it compiles, and needs what it says', async () => {
  covered.add('typescript');
  const text = recipe('typescript', 'ts');
  const compile = async (source: string) => {
    const folder = await makeProject('main.ts', source);
    const tsc = join(folder, 'node_modules/typescript/bin/tsc');
    const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2023', '--types', 'node'];
    return promisify(execFile)(process.execPath, [tsc, ...flags, 'main.ts'], { cwd: folder }).then(
      () => '',
      (error: unknown) => (error as { stdout: string }).stdout,
    );
  };
  const [asItIs, withoutRequest, withoutUser] = await Promise.all([
    compile(text),
    compile(text.replace('<Request>', '')),
    compile(text.replace('user: string;', '')),
  ]);
  expect(asItIs).toBe('');
  expect(withoutRequest).toContain("'session' does not exist");
  expect(withoutUser).toContain("'user' does not exist");
}, 60_000);

test('tls: a backend with TLS, by a private authority', async () => {
  covered.add('tls');
  const { key, cert } = certificate();
  const backend = createTls({ key, cert }, (socket) => socket.on('error', () => undefined).pipe(socket));
  await listen(backend);
  const edits = [['port: 5900', `port: ${portOf(backend)}`]] as const;
  await guards(await runRecipe('tls', { edits, files: { 'our-ca.crt': cert } }));
});

test('shell: a process of its own for each tunnel', async () => {
  covered.add('shell');
  const { dial } = await runRecipe('shell');
  expect((await knock(dial(), {}, '/shell')).status).toBe(401);
  const client = await openRaw(dial(), '/shell', await logIn(dial(), 'ann'));
  client.send(frame(2, 'echo "<$USER>"\nexit\n'));
  await client.shows(/<ann>/);
  expect(await client.close()).toMatchObject({ code: 1000 });
});

test('shell: what runs in it ends with the tunnel', async () => {
  const mark = `SPEC_SHELL_${process.pid}=yes`;
  const { dial } = await runRecipe('shell');
  const client = await openRaw(dial(), '/shell', await logIn(dial(), 'ann'));
  client.send(frame(2, `${mark} exec sh -c 'sleep 300; true'\n`));
  await until(() => processesWith(mark).length === 2);
  client.socket.destroy();
  await until(() => processesWith(mark).length === 0);
});

describeWith('sshd', 'ssh-keygen')('ssh', () => {
  test('a terminal at a real sshd, whose key is checked', async () => {
    covered.add('ssh');
    const server = await startSshd();
    const run = (hostKey: Buffer) =>
      runRecipe('ssh', {
        edits: [
          ["'10.0.0.21'", "'127.0.0.1'"],
          ['port: 22', `port: ${server.port}`],
          ["'desk'", JSON.stringify(userInfo().username)],
        ],
        files: { id_ed25519: server.clientKey, 'ssh_host_ed25519_key.pub': hostKey },
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

test("lighttpd: the documentation's noVNC example", async () => {
  covered.add('lighttpd');
  const { port } = await startEcho();
  const web = await mkdtemp(join(tmpdir(), 'wstunnel-web-'));
  onCleanup(() => rm(web, { recursive: true }));
  await writeFile(join(web, 'vnc.html'), 'noVNC');
  const conf = `server.document-root = "${web}"
server.modules += ( "mod_wstunnel" )
server.port = 8080
$HTTP["url"] =~ "^/websockify" {
    wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => "${port}" ) ) )
    wstunnel.frame-type = "binary"
    server.stream-request-body  = 2
    server.stream-response-body = 2
}
`;
  const file = join(web, 'lighttpd.conf');
  await writeFile(file, conf);
  const { dial } = await runRecipe('lighttpd', {
    edits: [["'/etc/lighttpd/lighttpd.conf'", JSON.stringify(file)]],
  });
  expect((await request(dial(), 'GET', '/vnc.html')).body).toBe('noVNC');
  await echoes(await openRaw(dial(), '/websockify'));
  expect((await knock(dial(), {}, '/other')).status).toBe(404);
});

test('proxy-protocol: the backend is told who asks', async () => {
  covered.add('proxy-protocol');
  const backend = await startBackend();
  const { dial } = await runRecipe('proxy-protocol', { edits: [['port: 5900', `port: ${backend.port}`]] });
  await openRaw(dial(), PATH, await logIn(dial()));
  await until(() => backend.received().length === 28);
  expect(backend.received().subarray(0, 12).toString('latin1')).toBe('\r\n\r\n\0\r\nQUIT\n');
});

test('rules', async () => {
  covered.add('rules');
  const hello = (name: string) => (socket: Socket) => void socket.write(name);
  const [vnc, ssh] = [await startBackend(hello('vnc')), await startBackend(hello('ssh'))];
  const { dial } = await runRecipe('rules', {
    edits: [
      ['port: 5900', `port: ${vnc.port}`],
      ['port: 22', `port: ${ssh.port}`],
      ["{ remoteAddress: ['10.0.0.0/8', '192.168.0.0/16'] }", "{ headers: { 'x-inside': 'yes' } }"],
    ],
  });
  const cookie = await logIn(dial());
  const inside = { ...cookie, 'X-Inside': 'yes' };
  for (const path of ['/desk/vnc', '/desk/ssh/1']) {
    const client = await openRaw(dial(), path, inside);
    expect((await client.payload(3)).toString()).toBe(path.slice(6, 9));
  }
  const text = await openRaw(dial(), '/desk/vnc?text', { ...inside, 'User-Agent': 'New' });
  expect((await text.frame())?.opcode).toBe(1);
  expect((await knock(dial(), inside, '/desk/other')).status).toBe(404);
  // Issue 12, case 19: a Host that the client writes skips no guard.
  for (const host of ['127.0.0.1', 'text.example.com', 'desk.internal'])
    expect(await knock(dial(), { ...cookie, Host: host }, '/desk/vnc')).toMatchObject({
      status: 403,
      body: 'https only\n',
    });
});

// The last one: those before have said what they run.
test('every recipe is run', () => {
  expect([...new Set(recipeNames())].sort()).toEqual([...covered, ...PAGES].sort());
});

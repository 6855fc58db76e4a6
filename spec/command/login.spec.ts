import { rm, writeFile } from 'node:fs/promises';
import { once } from 'node:events';
import { get, Agent } from 'node:http';
import { connect as connectTls } from 'node:tls';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { files, startCommand } from '../support/command.js';
import { statusOf } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const basic = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

test('--auth guards page and tunnel with one login', async () => {
  const { port: target } = await startEcho();
  const made = await files({
    'desk.htpasswd': `# all\nann:${hashSync('correct horse', 4)}\nbob:${hashSync('päss:wörd', 4)}\n`,
    'ada.secret': 'plain one\n',
    'eve.secret': `eve:${hashSync('hashed one', 4)}\n`,
    'index.html': 'desk',
  });
  const logins = [made['desk.htpasswd'], `ada:${made['ada.secret']}`, `eve:${made['eve.secret']}`];
  const auth = logins.flatMap((one) => ['--auth', one!]);
  const { program, port, url } = await startCommand([
    '0',
    String(target),
    ...auth,
    '--web',
    made.folder!,
    '-v',
  ]);

  const refused = await fetch(url);
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toMatch(/^Basic realm="/);
  const wrong = [{}, basic('ann', 'wrong'), basic('bob', ''), basic('nobody', 'plain one'), basic('', '')];
  const odd = ['Basic', 'Basic !', 'Bearer x', `Basic ${Buffer.from('ann').toString('base64')}`];
  for (const headers of [...wrong, ...odd.map((Authorization) => ({ Authorization }))]) {
    expect((await fetch(url, { headers })).status).toBe(401);
    expect(await statusOf(port, '/websockify', headers)).toBe(401);
  }
  // The hash is not accepted as a password.
  expect(await statusOf(port, '/websockify', basic('ann', hashSync('correct horse', 4)))).toBe(401);
  const right = [
    basic('ann', 'correct horse'),
    basic('bob', 'päss:wörd'),
    basic('ada', 'plain one'),
    basic('eve', 'hashed one'),
  ];
  for (const headers of [...right, ...right]) {
    expect(await (await fetch(url, { headers })).text()).toBe('desk');
    expect(await statusOf(port, '/websockify', headers)).toBe(101);
  }
  await program.prints(/^open {4}eve@127\.0\.0\.1 /m);
  expect(program.output).not.toMatch(/correct|plain|\$2/);
});

test('SIGHUP: a user removed from the file cannot log in any more', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'old\n' });
  const command = await startCommand(['0', String(target), '--auth', `ann:${file}`]);
  expect(await statusOf(command.port, '/websockify', basic('ann', 'old'))).toBe(101);
  await writeFile(file!, 'new\n');
  command.program.process.kill('SIGHUP');
  await until(() => command.program.output.includes('reloaded'));
  expect(await statusOf(command.port, '/websockify', basic('ann', 'old'))).toBe(401);
  expect(await statusOf(command.port, '/websockify', basic('ann', 'new'))).toBe(101);
});

test('a plain password that every user of the machine can read is reported', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'open\n' }, 0o644);
  const { program } = await startCommand(['0', String(target), '--auth', `ann:${file}`]);
  expect(program.output).toMatch(/every user of this machine can read the password/);
});

test('--cert serves https and wss, --client-ca requires a client certificate', async () => {
  const { port: target } = await startEcho();
  const [server, client] = [makeCertificate(), makeCertificate({ name: 'client' })];
  // As in websockify, the key may be in the certificate's file.
  const made = await files({ pem: Buffer.concat([server.cert, server.key]), ca: client.cert });
  const knock = async (port: number, options = {}) => {
    const socket = connectTls({ port, host: '127.0.0.1', ca: server.cert, ...options });
    await once(socket, 'secureConnect');
    return statusOf(socket, '/');
  };
  const open = await startCommand(['0', String(target), '--cert', made.pem!]);
  expect(open.url).toMatch(/^https:/);
  expect(await knock(open.port)).toBe(101);

  const guarded = await startCommand(['0', String(target), '--cert', made.pem!, '--client-ca', made.ca!]);
  expect(await knock(guarded.port, client)).toBe(101);
  await expect(knock(guarded.port)).rejects.toThrow();
  await expect(knock(guarded.port, makeCertificate({ name: 'client' }))).rejects.toThrow();
});

test('login options that are probably mistakes are reported at the start', async () => {
  const { port: target } = await startEcho();
  const { file } = await files({ file: 'secret\n' });
  const open = await startCommand([':0', String(target)]);
  await open.program.prints(/warning: every client that can reach :0 may open a tunnel/);
  const clear = await startCommand(['0.0.0.0:0', String(target), '--auth', `ann:${file}`]);
  await clear.program.prints(/warning: passwords and data are sent unencrypted; use https with --cert/);
});

describe('issue 12, case 5: a machine without free threads', () => {
  test('answers logins with 503, and checks every login correctly once threads are available', async () => {
    const { port: target } = await startEcho();
    const made = await files({
      logins: `ann:${hashSync('right', 4)}\nbob:${hashSync('right too', 4)}\n`,
      // Simulates RLIMIT_NPROC while the file exists.
      'no-thread.cjs': `const threads = require('node:worker_threads'), { Worker } = threads;
        threads.Worker = function (...args) {
          if (require('node:fs').existsSync(__dirname + '/limit')) throw new Error('EAGAIN');
          return new Worker(...args);
        };
        require('node:module').syncBuiltinESMExports();`,
      limit: '',
    });
    const env = { NODE_OPTIONS: `--require ${made['no-thread.cjs']}` };
    const { program, port } = await startCommand(['0', String(target), '--auth', made.logins!], env);
    for (let i = 0; i < 2; i++) expect(await statusOf(port, '/websockify', basic('ann', 'right'))).toBe(503);
    expect(program.output.match(/passwords can't be checked: EAGAIN/g)).toHaveLength(1);
    await rm(made.limit!);
    const logins = [basic('ann', 'wrong'), basic('bob', 'right too'), basic('ann', 'wrong')];
    expect(await Promise.all(logins.map((one) => statusOf(port, '/websockify', one)))).toEqual([
      401, 101, 401,
    ]);
    expect(await statusOf(port, '/websockify', basic('ann', 'wrong'))).toBe(401);
    expect(await statusOf(port, '/websockify', basic('ann', 'right'))).toBe(101);
  });
});

/** The status for a request from another loopback address, which stands for another machine. */
function statusFrom(localAddress: string, port: number, headers: Record<string, string>, agent: Agent) {
  return new Promise<number>((resolve, reject) => {
    const request = get({ port, host: '127.0.0.1', localAddress, headers, agent }, (answer) => {
      answer.resume();
      answer.on('end', () => resolve(answer.statusCode ?? 0));
    });
    request.on('error', reject);
  });
}

describe('issue 12, case 8: an attacker guesses passwords on twelve connections', () => {
  async function startUnderAttack(nameOf: (guess: number) => string) {
    const { port: target } = await startEcho();
    const { logins } = await files({ logins: `ann:${hashSync('right', 10)}\n` });
    const { port } = await startCommand(['0', String(target), '--auth', logins!]);
    const agent = new Agent({ keepAlive: true, maxSockets: 12 });
    let isOver = false;
    let guesses = 0;
    const guess = async () => {
      while (!isOver) {
        const headers = basic(nameOf(guesses), `guess ${guesses++}`);
        const status = await statusFrom('127.0.0.2', port, headers, agent).catch(() => 0);
        expect([0, 401, 429, 503]).toContain(status);
      }
    };
    const all = Array.from({ length: 12 }, guess);
    onCleanup(async () => {
      isOver = true;
      agent.destroy();
      await Promise.all(all);
    });
    await until(() => guesses > 12);
    return { port, guesses: () => guesses };
  }

  test.each([
    ['the name of ann', () => 'ann'],
    ['names that nobody has', (guess: number) => `nobody ${guess}`],
  ])('with %s: ann logs in from another address at the first attempt', async (_, nameOf) => {
    const { port } = await startUnderAttack(nameOf);
    expect(await statusOf(port, '/websockify', basic('ann', 'right'))).toBe(101);
    // The second attempt uses a new connection.
    expect(await statusOf(port, '/websockify', basic('ann', 'right'))).toBe(101);
  });

  test('each name gets a few attempts, then one attempt after each pause', async () => {
    const { guesses } = await startUnderAttack(() => 'ann');
    const start = performance.now();
    await until(() => performance.now() - start > 3000);
    // Three attempts are free, then the pauses begin; twelve connections are open at a time.
    expect(guesses()).toBeLessThanOrEqual(16 + 3);
  });
});

describe('issue 12, case 29: the login cookie of --auth', () => {
  async function startWithPage() {
    const { port: target } = await startEcho();
    const made = await files({ secret: 'right\n' });
    const web = await files({ 'index.html': 'desk' });
    const args = ['0', String(target), '--auth', `ann:${made.secret}`, '--web', web.folder!];
    return { secret: made.secret!, ...(await startCommand(args)) };
  }

  async function cookieOf(url: string, headers: Record<string, string>): Promise<string | undefined> {
    const answer = await fetch(url, { headers });
    return answer.headers.get('set-cookie')?.split(';')[0];
  }

  test('is set only by a page that was requested with the right password', async () => {
    const { url, port } = await startWithPage();
    const Cookie = await cookieOf(url, basic('ann', 'right'));
    expect(Cookie).toMatch(new RegExp(`^wstunnel-${port}=`));
    expect(await cookieOf(url, {})).toBeUndefined();
    expect(await cookieOf(url, basic('ann', 'wrong'))).toBeUndefined();
    expect(await cookieOf(url, { Cookie: Cookie! })).toBeUndefined();
    // A client with a valid cookie gets no second cookie, for example with each file of the page.
    expect(await cookieOf(url, { ...basic('ann', 'right'), Cookie: Cookie! })).toBeUndefined();
  });

  test('opens tunnels without the password, but not the page', async () => {
    const { url, port, program } = await startWithPage();
    const Cookie = (await cookieOf(url, basic('ann', 'right')))!;
    expect(await statusOf(port, '/websockify', { Cookie })).toBe(101);
    expect((await fetch(url, { headers: { Cookie } })).status).toBe(401);
    expect(await statusOf(port, '/websockify', {})).toBe(401);
    expect(await statusOf(port, '/websockify', { Cookie: `${Cookie}x` })).toBe(401);
    // A wrong password fails in spite of a valid cookie.
    expect(await statusOf(port, '/websockify', { Cookie, ...basic('ann', 'wrong') })).toBe(401);
    // The cookie does not replace the check of the origin.
    expect(await statusOf(port, '/websockify', { Cookie, Origin: 'http://evil.example' })).toBe(403);
    expect(program.output).not.toContain(Cookie.split('=')[1]);
  });

  test('stays valid after SIGHUP, until the password changes', async () => {
    const { url, port, program, secret } = await startWithPage();
    const Cookie = (await cookieOf(url, basic('ann', 'right')))!;
    const reload = async (times: number) => {
      program.process.kill('SIGHUP');
      await until(() => (program.output.match(/reloaded/g) ?? []).length === times);
    };
    await reload(1);
    expect(await statusOf(port, '/websockify', { Cookie })).toBe(101);
    await writeFile(secret, 'new\n');
    await reload(2);
    expect(await statusOf(port, '/websockify', { Cookie })).toBe(401);
  });
});

import { once } from 'node:events';
import { connect } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import { describe, expect, test } from 'vitest';
import { runStdio } from '../../../src/command/connect/stdio.js';
import type { Io } from '../../../src/command/process/io.js';
import { certificate, makeCertificate } from '../../support/certificate.js';
import { CLI, files, runCommand } from '../../support/command.js';
import { describeWith, Program } from '../../support/programs.js';
import { startProxyDouble } from '../../support/proxy-double.js';
import { accepts, closedPort, startBackend, startHttp, startTunnel } from '../../support/servers.js';
import { deferred, holds, until } from '../../support/wait.js';
import { accepting, plain, startByHand } from '../../support/websocket-server.js';

/** Expects a single line on stderr, nothing on stdout, and the given exit code. */
async function says(args: readonly string[], code: number, line: RegExp, env = {}): Promise<string> {
  const run = await runCommand(['connect', ...args], { HTTP_PROXY: '', http_proxy: '', ...env });
  expect(run.stderr).toMatch(/^express-wstunnel: .*\n$/);
  expect(run.stderr).toMatch(line);
  expect(run.stderr).not.toMatch(/\.js:\d+| {4}at |:secret|=secret/);
  expect({ code: run.code, stdout: run.stdout }).toEqual({ code, stdout: '' });
  return run.stderr;
}

describe('a wrong command line exits with 2', () => {
  test.each([
    [[], /give a URL, such as wss:\/\/desk\.example\.com\/vnc/],
    [['ws://x/', 'y'], /give only one URL; unexpected "y"/],
    [['desk.example'], /the URL must be a ws: or wss: URL; got 'desk\.example'/],
    [['ftp://x/'], /the URL must begin with ws: or wss:; got 'ftp:\/\/x\/'/],
    [['localhost:5900/vnc'], /did you mean "ws:\/\/localhost:5900\/vnc"\?/],
    [['ws://ann:secret@x:99999/'], /the URL must be a ws: or wss: URL; got 'ws:\/\/\*\*\*@x:99999\/'/],
    [['ws://x/#y'], /must have no fragment/],
    [['ws://x/', '--local', 'x'], /"x" is not a listen address/],
    [['ws://x/', '--local', '1', '--stdio'], /either --local or --stdio/],
    [['ws://x/', '--retry', '1'], /--retry needs --local/],
    [['ws://x/', '--timeout', 'soon'], /--timeout must be a number of seconds/],
    [['ws://x/', '--pong', 'soon'], /--pong must be a number of seconds/],
    [['ws://x/', '--pong', '5000'], /pongTimeout must be .*did you mean 5\?/],
    [['ws://x/', '--timeout', '5000'], /connectTimeout must be .*did you mean 5\?/],
    [['ws://x/', '--header', 'secret'], /--header must be NAME:VALUE/],
    [['ws://x/', '--header', 'Host: y'], /the handshake sets the header "host": use --host-header/],
    [['ws://x/', '--host-header', 'a b'], /hostHeader must be a host or host:port; got 'a b'/],
    [['ws://x/', '--host-header', 'y', '--forward'], /hostHeader can't be used with proxyMode "forward"/],
    [['ws://x/', '--user', 'secret'], /--user must be NAME:FILE/],
    [['ws://x/', '--key', 'k'], /--key needs --cert/],
    [
      ['ws://x/', '--proxy', 'socks5://u:secret@p'],
      /proxy must be an http: or https: URL.*socks5:\/\/\*\*\*@p/,
    ],
    [['ws://x/', '--proxy', 'http://p', '--direct'], /either --proxy or --direct/],
    [['wss://x/', '--forward', '--direct'], /proxyMode can be "forward" for ws: only/],
    [['ws://x/', '--port', '5901'], /no option --port; did you mean --local\?/],
    [['ws://x/', '--insecur'], /no option --insecur; did you mean --insecure\?/],
  ])('%j', async (args, line) => {
    await says(args, 2, line);
  });
});

describe('a server that cannot be reached exits with 5', () => {
  test("nothing listens at the server's address", async () => {
    const port = await closedPort();
    await says([`ws://127.0.0.1:${port}/`], 5, /127\.0\.0\.1:\d+ could not be reached: connect ECONNREFUSED/);
    await says(['ws://desk.invalid/'], 5, /desk\.invalid:80 could not be reached: getaddrinfo/);
  });

  test('the server does not answer', async () => {
    const { url } = await startByHand(() => undefined);
    await says([url, '--timeout', '0.2'], 5, /was not connected within 0\.2 s/);
  });

  test('the proxy is missing or refuses', async () => {
    const port = await closedPort();
    await says(
      ['ws://x/', '--proxy', `http://ann:secret@127.0.0.1:${port}`],
      5,
      /the proxy .* could not be reached/,
    );
    const proxy = await startProxyDouble((client) => client.send('HTTP/1.1 407 Who\r\n\r\n'));
    const env = { HTTP_PROXY: `http://ann:secret@127.0.0.1:${proxy.port}` };
    await says(
      ['ws://x/'],
      5,
      /requires a valid user and password: 407 Who; put them into the URL of HTTPS_PROXY/,
      env,
    );
    expect(proxy.asked[0]).toContain(`Basic ${btoa('ann:secret')}`);
  });

  test("the server's certificate is unknown, names another host, or has expired", async () => {
    const { url, port } = await startByHand(() => undefined, { tls: certificate() });
    await says(
      [url],
      5,
      /TLS with 127\.0\.0\.1:\d+ failed: self-signed certificate(; if the root CA is .* --use-system-ca)?; give its CA with --ca$/m,
    );
    const { cert } = certificate();
    const { ca = '' } = await files({ ca: cert });
    const proxy = await startProxyDouble(({ socket }) => {
      const upstream = connect(port, '127.0.0.1');
      upstream.on('error', () => undefined);
      socket.removeAllListeners('data').write('HTTP/1.1 200 OK\r\n\r\n');
      socket.pipe(upstream).pipe(socket);
    });
    await says(
      ['wss://desk.example/', '--ca', ca, '--proxy', proxy.url],
      5,
      /desk\.example\. is not in the cert's altnames/,
    );
    const old = makeCertificate({ expired: true });
    const expired = await startByHand(() => undefined, { tls: old });
    const { oldCa = '' } = await files({ oldCa: old.cert });
    await says([expired.url, '--ca', oldCa], 5, /certificate has expired/);
  });
});

describe('an answer that opens no tunnel exits with 6', () => {
  test.each([
    [401, /was refused: 401 Unauthorized; give a login with --user, --bearer or --cookie/],
    [403, /was refused: 403 Forbidden/],
    [502, /was refused: 502 Bad Gateway \(the backend could not be reached\)/],
  ])('%i', async (status, line) => {
    const { port } = await startHttp((_, res) => {
      res.setHeader('Content-Type', 'text/plain');
      res.writeHead(status).end(status === 502 ? 'the backend could not be reached\n' : '');
    });
    await says([`ws://127.0.0.1:${port}/?token=secret`], 6, line);
  });

  test('a web server and a VNC server do not open a tunnel', async () => {
    const { port } = await startHttp((_, res) => res.end('<html>'));
    await says([`ws://127.0.0.1:${port}/`], 6, /was refused: 200 OK/);
    const vnc = await startBackend((socket) => socket.write('RFB 003.008\n'));
    await says([`ws://127.0.0.1:${vnc.port}/`], 6, /127\.0\.0\.1:\d+ does not answer in HTTP/);
  });
});

test('a missing or empty file exits with 3', async () => {
  await says(['ws://x/', '--header', '@/none'], 3, /\/none: there is no such file or folder/);
  const { empty = '' } = await files({ empty: '\n' });
  await says(
    ['ws://x/', '--user', `ann:${empty}`],
    3,
    /the password of --user must be the first line of its file/,
  );
});

test('a secret given in place of its file does not appear in the message', async () => {
  for (const [args, what] of [
    [['--bearer', 'hunter2'], 'token of --bearer'],
    [['--user', 'ann:hunter2'], 'password of --user'],
  ] as const) {
    const line = new RegExp(`can't read the ${what} from its file: there is no such file`);
    expect(await says(['ws://x/', ...args], 3, line)).not.toContain('hunter2');
  }
});

/** Starts connect with the tunnel on standard input and output. */
function startStdio(args: readonly string[], env: Record<string, string> = {}) {
  const program = new Program(process.execPath, [CLI, 'connect', ...args], env, 'pipe');
  const { stdin } = program.process;
  if (!stdin) throw new Error('no standard input');
  stdin.on('error', () => undefined);
  return { program, stdin, exit: () => once(program.process, 'exit').then(([code]) => code as number) };
}

describe('connect with standard input and output', () => {
  test('carries bytes both ways until the input ends', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, stdin, exit } = startStdio([url]);
    stdin.write('there and back');
    await program.prints(/^there and back$/);
    const ended = exit();
    stdin.end();
    expect(await ended).toBe(0);
    expect(program.output).toBe('there and back');
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });

  test('exits when the server ends the tunnel', async () => {
    const backend = await startBackend((socket) => socket.end('good bye'));
    const { url } = await startTunnel({ server: { port: backend.port } });
    const { program, exit } = startStdio([url]);
    expect(await exit()).toBe(0);
    expect(program.output).toBe('good bye');
  });

  test('exits with 1 when the tunnel breaks', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, stdin, exit } = startStdio([url]);
    stdin.write('x');
    await program.prints(/^x$/);
    const ended = exit();
    tunnel.end(() => true, 1008, 'logged out');
    expect(await ended).toBe(1);
    expect(program.output).toBe('xexpress-wstunnel: the tunnel was closed with 1008: logged out\n');
  });

  test('closes the tunnel and exits at SIGTERM', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, stdin, exit } = startStdio([url]);
    stdin.write('x');
    await program.prints(/^x$/);
    const ended = exit();
    program.process.kill('SIGTERM');
    expect(await ended).toBe(0);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });

  test('exits at SIGTERM before there is a tunnel, and while the output has no reader', async () => {
    const asked = deferred<undefined>();
    const { url, sockets } = await startByHand(() => asked.resolve(undefined));
    const waiting = startStdio([url]);
    await asked.promise;
    const ended = waiting.exit();
    waiting.program.process.kill('SIGTERM');
    expect(await ended).toBe(143);
    await until(() => sockets.every((socket) => socket.destroyed || socket.readableEnded));

    const signals: (() => void)[] = [];
    const stuck = new Writable({ write: () => signals[0]?.() });
    const server = await startByHand((peer, head) => {
      peer.send(Buffer.concat([Buffer.from(accepting(head)), plain(2, 'x'), plain(2, 'y')]));
    });
    const io: Io = {
      ...{ stdin: new PassThrough(), stdout: stuck, stderr: new PassThrough(), environment: {} },
      onSignal: (_, listener) => {
        signals.push(() => listener('SIGTERM'));
        return () => undefined;
      },
      isTerminalGone: () => false,
      outlivesTerminal: () => false,
      isOnTerminal: () => false,
    };
    expect(await runStdio(io, { url: server.url, options: { closeTimeout: 0.05 } }, false)).toBe(143);
  });

  test('exits without a message when the reader of its output leaves', async () => {
    const backend = await startBackend((socket) => {
      const timer = setInterval(() => socket.write('x'), 20);
      socket.on('close', () => clearInterval(timer));
    });
    const { url, tunnel } = await startTunnel({ server: { port: backend.port } });
    const { program, exit } = startStdio([url]);
    await program.prints(/^x/);
    const ended = exit();
    program.process.stdout?.destroy();
    expect(await ended).toBe(0);
    expect(program.output).toMatch(/^x+$/);
    await until(() => tunnel.stats().open === 0);
  });

  test('takes the login from files or from the environment', async () => {
    const seen: (string | undefined)[][] = [];
    const { url } = await startTunnel({
      authenticate: ({ headers }) => {
        seen.push([headers.authorization, headers.cookie, headers['x-one'] as string | undefined]);
        return false;
      },
    });
    const made = await files({
      password: 'pass:word\n',
      token: 'tok.en\n',
      cookies: 'a=b\nc=d\n',
      lines: 'X-One: two\n',
    });
    await runCommand(['connect', url, '--user', `ann:${made.password}`, '--cookie', `@${made.cookies}`]);
    await runCommand(['connect', url, '--bearer', made.token!, '--header', `@${made.lines}`]);
    await runCommand(['connect', url, '--cookie', 'e=f'], { WSTUNNEL_USER: 'bob:secret' });
    await runCommand(['connect', url], { WSTUNNEL_BEARER: 'tok2', WSTUNNEL_COOKIE: 'sid=1' });
    expect(seen).toEqual([
      [`Basic ${btoa('ann:pass:word')}`, 'a=b; c=d', undefined],
      ['Bearer tok.en', undefined, 'two'],
      [`Basic ${btoa('bob:secret')}`, 'e=f', undefined],
      ['Bearer tok2', 'sid=1', undefined],
    ]);
  });
});

describe('connect with a local port', () => {
  async function startLocal(args: readonly string[]) {
    const program = new Program(process.execPath, [CLI, 'connect', ...args, '--local', '0']);
    const [, port = ''] = await program.prints(/listening on 127\.0\.0\.1:(\d+) for/);
    return { program, port: Number(port) };
  }

  test('carries each connection and prints nothing', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, port } = await startLocal([`${url}?token=secret`]);
    for (const text of ['one', 'two']) {
      const socket = connect(port, '127.0.0.1');
      socket.write(text);
      expect(String(((await once(socket, 'data')) as [Buffer])[0])).toBe(text);
      socket.end();
      await once(socket, 'close');
    }
    await until(() => tunnel.stats().open === 0);
    expect(program.output).toBe(`express-wstunnel: listening on 127.0.0.1:${port} for ${url}?token=***\n`);
  });

  test('reports every tunnel with --verbose', async () => {
    const { url } = await startTunnel();
    const { program, port } = await startLocal([url, '--verbose']);
    const socket = connect(port, '127.0.0.1').end('x');
    await once(socket.resume(), 'close');
    await program.prints(/open {4}1\n[^]*close {3}1: 1000; \d B in, 1 B out, \d+\.\d s\n/);
  });

  test('reports a connection that got no tunnel, and goes on listening', async () => {
    const { url } = await startTunnel({ authenticate: () => false });
    const { program, port } = await startLocal([url]);
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('close', resolve));
    await program.prints(
      /was refused: 401 Unauthorized \(.*\); give a login with --user, --bearer or --cookie\n/,
    );
    expect(await accepts({ port })).toBe(true);
  });

  test('exits with 4 when the local port is in use', async () => {
    const { port } = await startBackend();
    await says(
      ['ws://x/', '--local', String(port)],
      4,
      new RegExp(`can't listen on 127\\.0\\.0\\.1:${port}: it is already in use`),
    );
  });

  test('closes its tunnels and the local port at SIGTERM', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, port } = await startLocal([url]);
    const socket = connect(port, '127.0.0.1');
    socket.write('x');
    await once(socket, 'data');
    socket.resume();
    const ended = once(program.process, 'exit');
    program.process.kill('SIGTERM');
    expect((await ended)[0]).toBe(0);
    await holds(() => expect(tunnel.stats().closed).toEqual({ 1001: 1 }));
  });
});

describeWith('script')('connect on a terminal', () => {
  test('shows one line with the number of open tunnels and their bytes', async () => {
    const { url } = await startTunnel();
    const line = [process.execPath, CLI, 'connect', url, '--local', '0'].map((word) => `'${word}'`).join(' ');
    const program = new Program('script', ['-qefc', `stty cols 80 rows 24; exec ${line}`, '/dev/null'], {
      TERM: 'xterm',
    });
    const [, port = ''] = await program.prints(/listening on 127\.0\.0\.1:(\d+) for/);
    await program.prints(/0 tunnels {2}in 0 B\/s {2}out 0 B\/s/);
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(Buffer.alloc(50_000));
    // eslint-disable-next-line no-control-regex
    await program.prints(/\r\u001b\[K1 tunnel {2}in \d+(\.\d)? kB\/s {2}out \d+(\.\d)? kB\/s/);
    socket.destroy();
    // eslint-disable-next-line no-control-regex
    await program.prints(/1 tunnel [^]*\r\u001b\[K0 tunnels {2}in 0 B\/s/);
  });
});

test('the help fits a terminal of 24 lines', async () => {
  const { stdout, code } = await runCommand(['connect', '--help']);
  expect(code).toBe(0);
  expect(stdout.split('\n').length).toBeLessThanOrEqual(25);
  for (const line of stdout.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
});

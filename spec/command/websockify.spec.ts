import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { get } from 'node:http';
import { connect } from 'node:net';
import { promisify } from 'node:util';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { CommandError } from '../../src/command/exit.js';
import { readArgs } from '../../src/command/command-line/args.js';
import { readPlan } from '../../src/command/listen/settings/read-plan.js';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import {
  checkWraps,
  readWebsockify,
  withWebsockify,
} from '../../src/command/listen/settings/websockify-flags.js';
import { makeCertificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { echoes, openRaw, statusOf } from '../support/raw-client.js';
import { accepts, closedPort, startEcho } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

const run = promisify(execFile);
const SPECS = withWebsockify(LISTEN_FLAGS);

/** The plan of a command line with websockify's options. */
const planOf = (...args: string[]) => readPlan(readWebsockify(readArgs(args, SPECS)));

/** Valid values for the placeholders of websockify's help; every other placeholder gets 1. */
const VALUES: Readonly<Record<string, string>> = {
  FILE: 'x',
  DIR: '.',
  SERVER: 'localhost:514',
  CLASS: 'TokenFile',
  INTERVAL: '30',
  TIMEOUT: '30',
  IDLE_TIMEOUT: '30',
};

/** Options of websockify's master branch of July 2025 that are missing in Debian's version. */
const NEWER = ['--unix-listen', '--unix-listen-mode', '--file-only'];

describeWith('websockify')("issue 13, case 13: websockify's options", () => {
  test("each option of websockify's help is accepted, or the message names an option of express-wstunnel", async () => {
    const { stdout } = await run('websockify', ['--help']);
    const rows = [...stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)(?:=(\S+))?/gm)];
    const options = [
      ...rows.map(([, flag = '', value]) => ({ flag, value: value && (VALUES[value] ?? '1') })),
      ...NEWER.map((flag) => ({ flag, value: flag === '--file-only' ? undefined : '0600' })),
    ];
    expect(options.length).toBeGreaterThan(35);
    const answers = options.flatMap(({ flag, value }) => {
      const args = value === undefined ? [flag] : [flag, value];
      try {
        readWebsockify(readArgs([...args, '6080', 'localhost:5900'], SPECS));
        return [];
      } catch (error) {
        expect(error, flag).toBeInstanceOf(CommandError);
        return [[flag, (error as Error).message] as const];
      }
    });
    for (const [flag, message] of answers) {
      expect(message).toContain(flag);
      expect(message).not.toContain('there is no option');
      const named = message.match(/(?<![\w'-])--[a-z][\w-]*/g) ?? [];
      const ours = named.filter((name) => name.slice(2) in LISTEN_FLAGS);
      expect([flag, ours.length > 0 || /NODE_OPTIONS|DEBUG/.test(message)]).toEqual([flag, true]);
    }
    // The complete list of options that are rejected with advice.
    expect(answers.map(([flag]) => flag).sort()).toEqual(
      [
        ...['--auth-plugin', '--auth-source', '--cafile', '--host-token', '--inetd', '--key-password'],
        ...[
          '--prefer-ipv6',
          '--ssl-ciphers',
          '--ssl-version',
          '--token-plugin',
          '--token-source',
          '--traffic',
        ],
        ...['--verify-client', '--web-auth', '--wrap-mode'],
      ].sort(),
    );
  });
});

const redisAt = (url: string, prefix: string) => ({ kind: 'redis', url, prefix, once: false });
/** `host[:port[:database[:password[:namespace]]]]` as websockify reads them. */
const REDIS_SOURCES = [
  redisAt('redis://r:6380/', ''),
  redisAt('redis://r:6380/2', ''),
  redisAt('redis://r:6380/2', 'vnc:'),
  redisAt('redis://r:6379/', 'a:b:'),
];
const FILE = { sources: [{ kind: 'file', path: '/etc/t' }] };

describe("issue 13, case 13: websockify's command lines", () => {
  const target = { host: '127.0.0.1', port: 5900 };

  test.each<[string, object]>([
    ['6080 :5900', { listen: [{ host: '127.0.0.1', port: 6080 }], tunnel: { server: [target] } }],
    ['--heartbeat 7 6080 :5900', { tunnel: { server: [target], pingInterval: 7 } }],
    ['--heartbeat=0 6080 :5900', { tunnel: { server: [target], pingInterval: 0 } }],
    ['6080 --unix-target /run/x', { listen: [{ port: 6080 }], tunnel: { server: [{ socket: '/run/x' }] } }],
    ['6080 desk:5900 --ssl-target', { tunnel: { server: [{ host: 'desk', port: 5900, tls: true }] } }],
    ['--unix-listen /run/y :5900', { listen: [{ socket: '/run/y' }], tunnel: { server: [target] } }],
    ['--unix-listen /run/y --unix-listen-mode 0660 :5900', { unix: { mode: 0o660 } }],
    ['6080 --target-config /etc/t', { listen: [{ port: 6080 }], tokens: FILE, tunnel: {} }],
    ['6080 --token-plugin TokenFile --token-source /etc/t', { listen: [{ port: 6080 }], tokens: FILE }],
    [
      '6080 --token-plugin websockify.token_plugins.ReadOnlyTokenFile --token-source /etc/t',
      { listen: [{ port: 6080 }], tokens: FILE },
    ],
    [
      '6080 --token-plugin TokenFileName --token-source /t',
      { tokens: { sources: [{ kind: 'folder', path: '/t' }] } },
    ],
    [
      '6080 --token-plugin UnixDomainSocketDirectory --token-source /t',
      { tokens: { sources: [{ kind: 'sockets', path: '/t' }] } },
    ],
    [
      '6080 --token-plugin JSONTokenApi --token-source http://x/%s --token-targets *:5900',
      { tokens: { sources: [{ kind: 'api', url: 'http://x/%s' }], targets: ['*:5900'] } },
    ],
    ...['r:6380', 'r:6380:2', 'r:6380:2::vnc', 'r::::"a:b:"'].map((source, index): [string, object] => [
      `6080 --token-plugin TokenRedis --token-source ${source} --token-targets *`,
      { tokens: { sources: [REDIS_SOURCES[index]], targets: '*' } },
    ]),
    ['6080 :5900 --log-file /var/log/x', { log: '/var/log/x' }],
    [
      '6080 :5900 --cert /c --verify-client --cafile /ca --ssl-only --ssl-version default',
      { tls: { cert: '/c', clientCa: '/ca' }, sslOnly: true },
    ],
    ['6080 :5900 --libserver --web . --file-only --web-auth --auth /a', { auth: [{ file: '/a' }] }],
    [
      '6080 :5900 --timeout 60 --idle-timeout 30 --run-once',
      { autoExit: { timeout: 60, idleTimeout: 30, runOnce: true } },
    ],
    ['6080 :5900 --syslog /dev/log --legacy-syslog', { syslog: { server: '/dev/log', isLegacy: true } }],
    ['6080 :5900 --record /tmp/r', { record: { folder: '/tmp/r' } }],
  ])('%s', (line, plan) => {
    expect(planOf(...line.split(' '))).toMatchObject(plan);
  });

  test("ExpectOrigin's list becomes --origin", () => {
    const args = [
      '6080',
      ':5900',
      '--auth-plugin',
      'ExpectOrigin',
      '--auth-source',
      'https://a.example  https://b.example',
    ];
    expect(planOf(...args).tunnel.origins).toEqual(['https://a.example', 'https://b.example']);
  });

  test.each([
    ['6080 :5900 --auth-plugin BasicHTTPAuth --auth-source a:secret', /--auth USER:FILE/],
    ['6080 :5900 --auth-plugin ClientCertCNAuth --auth-source a', /--client-ca/],
    ['6080 --token-plugin JSONTokenApi --token-source http://x/%s', /needs --token-targets/],
    ['6080 --token-plugin TokenRedis --token-source a:1:0:secret', /every user can read a command line/],
    [
      '6080 --token-plugin JWTTokenApi --token-source k',
      /--tokens 'jwt:KEY\?algorithms=RS256&audience=NAME'/,
    ],
    ['6080 --token-plugin a.Mine --token-source k', /a plugin is a program/],
    ['6080 --token-plugin __proto__ --token-source k', /a plugin is a program/],
    ['6080 --tokens a --target-config b', /--target-config is another name of --tokens: give only one/],
    ['6080 :5900 --ssl-only', /--ssl-only needs --cert/],
    ['6080 :5900 --web-auth', /--web-auth needs --auth/],
    ['6080 :5900 --ssl-version tlsv1_3', /NODE_OPTIONS=--tls-min-v1\.3 /],
    ['6080 :5900 --timeout x', /--timeout must be a number of seconds from 0/],
    ['6080 :5900 --legacy-syslog', /--legacy-syslog needs --syslog/],
    ['6080 :6080', /127\.0\.0\.1:6080 is an address that this command listens on/],
    [':6080', /127\.0\.0\.1:6080 is an address that this command listens on/],
  ])('%s is answered with the option to use', (line, message) => {
    expect(() => planOf(...line.split(' '))).toThrow(message);
    try {
      planOf(...line.split(' '));
    } catch (error) {
      expect((error as Error).message).not.toContain('secret');
    }
  });

  test('a program after -- is refused with a pointer to `spawn`, and -- before the arguments changes nothing', () => {
    const positionals = (args: readonly string[]) => readArgs(args, SPECS).positionals;
    expect(() => checkWraps(['6080', '--', 'vncserver', ':1'], positionals)).toThrow(
      /"spawn" in a file for --config/,
    );
    expect(() => checkWraps(['--', '6080', '5900'], positionals)).not.toThrow();
  });

  test("the help and the suggestions do not contain websockify's option names", async () => {
    const { stdout } = await runCommand(['--help', 'all']);
    expect(stdout).not.toMatch(/--heartbeat|--target-config/);
    expect((await runCommand(['--heartbeta', '5'])).stderr).not.toContain('heartbeat');
  });
});

describe('issue 13, case 13: the first line says who can reach the command', () => {
  test.each([
    [
      '0',
      /for \S+; reachable from this machine only \(--listen :\d+ opens it to others, also through a container's published port\)$/m,
    ],
    [':0', /for \S+; reachable from every network of this machine$/m],
  ])('on %s', async (address, text) => {
    const { program } = await startCommand([address, '5900']);
    await program.prints(text);
  });
});

describe('issue 13, case 13: options that end the command', () => {
  test('--idle-timeout ends the command after the given time without a tunnel, and not before', async () => {
    const { port: target } = await startEcho();
    const command = await startCommand(['0', String(target), '--idle-timeout', '0.5']);
    const client = await openRaw(command.port);
    await sleep(1000);
    await echoes(client);
    client.socket.destroy();
    expect(await command.exit()).toBe(0);
    expect(command.program.output).toContain('no tunnel was open for 0.5 s (--idle-timeout)');
  });

  test('--timeout ends the command after the given time, once no tunnel is open', async () => {
    const { port: target } = await startEcho();
    const command = await startCommand(['0', String(target), '--timeout', '0.5']);
    const client = await openRaw(command.port);
    await sleep(1000);
    await echoes(client);
    client.socket.destroy();
    expect(await command.exit()).toBe(0);
    const unused = await startCommand(['0', String(target), '--timeout', '0.1']);
    expect(await unused.exit()).toBe(0);
  });

  test('--run-once ends the command with the first tunnel', async () => {
    const { port: target } = await startEcho();
    const command = await startCommand(['0', String(target), '--run-once']);
    expect((await fetch(command.url)).status).toBe(404);
    const client = await openRaw(command.port);
    await echoes(client);
    client.socket.destroy();
    expect(await command.exit()).toBe(0);
  });
});

describe('issue 13, case 13: --daemon', () => {
  test('returns once the background process listens in a session that it leads', async () => {
    const { port: target } = await startEcho();
    const port = await closedPort();
    const { code, stderr } = await runCommand([String(port), String(target), '-D']);
    const pid = Number(/in the background as process (\d+)/.exec(stderr)?.[1]);
    onCleanup(() => void process.kill(pid));
    expect(code).toBe(0);
    expect(stderr).toContain(`listening on http://127.0.0.1:${port}/`);
    await echoes(await openRaw(port));
    const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
    expect(Number(fields[3])).toBe(pid);
  });

  test('prints every line of the start', async () => {
    const { port: target } = await startEcho();
    const { stderr } = await runCommand(['--listen', ':0', String(target), '-D', '--workers', '1']);
    onCleanup(() => void process.kill(Number(/in the background as process (\d+)/.exec(stderr)?.[1])));
    expect(stderr).toMatch(
      /^.*listening on .*\n.*1 worker \(process .*\n.*warning: .*\n.*running in the background.*\n$/,
    );
  });

  test('prints why the background process cannot start, and exits with the corresponding code', async () => {
    const { port } = await startEcho();
    const { code, stderr } = await runCommand([String(port), '1', '--daemon']);
    expect({ code, stderr }).toEqual({
      code: 4,
      stderr: `express-wstunnel: can't listen on 127.0.0.1:${port}: it is already in use\n`,
    });
    expect((await runCommand(['0', '1', '--daemon', '--log', '-'])).code).toBe(2);
    const passed = await runCommand(['fd:3', '1', '--daemon']);
    expect(passed.code).toBe(2);
    expect(passed.stderr).toContain("--daemon can't be combined with a passed socket (fd:3)");
  });

  test('ends at SIGTERM', async () => {
    const port = await closedPort();
    const { stderr } = await runCommand([String(port), '1', '-D']);
    process.kill(Number(/as process (\d+)/.exec(stderr)?.[1]));
    await until(async () => !(await accepts({ port })));
  });
});

describe('issue 13, case 13: --ssl-only, and plain http on an https port', () => {
  async function start(...args: string[]) {
    const { port: target } = await startEcho();
    const { cert, key } = makeCertificate();
    const { pem } = await files({ pem: Buffer.concat([cert, key]) });
    const { port } = await startCommand(['0', String(target), '--cert', pem!, ...args]);
    const tunnel = async () => {
      const socket = connectTls({ port, host: '127.0.0.1', ca: cert });
      await echoes(await openRaw(socket));
    };
    return { port, tunnel };
  }

  function plain(port: number, headers: Record<string, string>) {
    return new Promise<{ status?: number; location?: string }>((resolve, reject) => {
      const request = get(
        { port, host: '127.0.0.1', path: '/vnc.html?a=b', headers, agent: false },
        (res) => {
          res.resume();
          const { location } = res.headers;
          resolve({
            ...(res.statusCode !== undefined && { status: res.statusCode }),
            ...(location !== undefined && { location }),
          });
        },
      );
      request.on('error', reject);
    });
  }

  test('a browser is redirected to https, a plain upgrade is refused, TLS connections work', async () => {
    const { port, tunnel } = await start();
    expect(await plain(port, { Host: `desk:${port}` })).toEqual({
      status: 307,
      location: `https://desk:${port}/vnc.html?a=b`,
    });
    expect((await plain(port, { Host: 'a/b@c' })).status).toBe(400);
    expect(await statusOf(port, '/')).toBe(426);
    await tunnel();
    // Connections closed before the first byte do not harm the server.
    for (let i = 0; i < 5; i++)
      connect(port, '127.0.0.1')
        .on('error', () => undefined)
        .destroy();
    const half = connect(port, '127.0.0.1')
      .on('error', () => undefined)
      .end();
    await once(half, 'close');
    await tunnel();
  });

  test('--ssl-only closes plain http connections', async () => {
    const { port, tunnel } = await start('--ssl-only');
    await expect(plain(port, { Host: 'desk' })).rejects.toThrow();
    await tunnel();
  });
});

describe('issue 13, case 13: --syslog', () => {
  test('a missing folder of --syslog is reported at the start', async () => {
    const syslog = await runCommand(['0', '5900', '--syslog', '/nowhere/log']);
    expect([syslog.code, syslog.stderr.includes('--syslog /nowhere/log')]).toEqual([3, true]);
    expect((await runCommand(['0', '5900', '--syslog', 'x:y'])).code).toBe(2);
  });
});

describeWith('logger')('issue 13, case 13: --syslog', () => {
  test('sends tunnels and messages to the syslog server', async () => {
    const server = createSocket('udp4');
    let heard = '';
    server.on('message', (text) => (heard += `${text.toString()}\n`)).bind(0, '127.0.0.1');
    onCleanup(() => void server.close());
    await once(server, 'listening');
    const { port: target } = await startEcho();
    const { port } = await startCommand([
      '0',
      String(target),
      '--syslog',
      `127.0.0.1:${server.address().port}`,
    ]);
    const client = await openRaw(port);
    client.socket.destroy();

    await until(() => /^<30>1 .* express-wstunnel\[\d+\] .*open {4}127\.0\.0\.1 \/tunnel -> /m.test(heard));
    expect(heard).toContain('listening on');
  });
});

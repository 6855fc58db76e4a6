import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { promisify } from 'node:util';
import { hashSync } from 'bcryptjs';
import { expect, test } from 'vitest';
import { LISTEN_FLAGS } from '../../src/command/listen/settings/listen-flags.js';
import { PLAY_FLAGS } from '../../src/command/play/play-flags.js';
import { certificate } from '../support/certificate.js';
import { files, startCommand } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { echoes, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { COMMAND, FROM_WEBSOCKIFY, SERVICE, table } from '../support/readme.js';
import { startRedis } from '../support/redis.js';
import { startEcho } from '../support/servers.js';

type Edits = Readonly<Record<string, string>>;

const names = Array.from(COMMAND.matchAll(/^<!-- command: (.+) -->$/gm), ([, name = '']) => name);
const covered = new Set<string>();

/** The text after a recipe's mark, up to the next mark or heading. */
function textOf(name: string): string {
  covered.add(name);
  const [, rest = ''] = COMMAND.split(`<!-- command: ${name} -->\n`);
  return rest.split(/^(?:<!-- |#)/m)[0] ?? '';
}

/** The recipe's command line, with the ports and files of the test. */
function argsOf(name: string, edits: Edits): string[] {
  const [, line = ''] = /^npx express-wstunnel ((?:.*\\\n)*.*)$/m.exec(textOf(name)) ?? [];
  const words = line.replaceAll('\\\n', ' ').split(/\s+/);
  for (const from of Object.keys(edits)) expect(words).toContain(from);
  return words.map((word) => edits[word] ?? word);
}

async function target(): Promise<string> {
  return `127.0.0.1:${(await startEcho()).port}`;
}

test('novnc', async () => {
  const { folder } = await files({ 'vnc.html': 'noVNC' });
  const edits = { '6080': '0', '127.0.0.1:5900': await target(), '/usr/share/novnc': folder! };
  const { url, port } = await startCommand(argsOf('novnc', edits));
  expect(await (await fetch(url)).text()).toBe('noVNC');
  await echoes(await openRaw(port));
});

describeWith('/usr/share/novnc/vnc.html')('with noVNC', () => {
  test('novnc settings', async () => {
    const edits = { '6080': '0', '127.0.0.1:5900': await target() };
    const { url } = await startCommand(argsOf('novnc settings', edits));
    expect(await (await fetch(`${url}defaults.json`)).json()).toMatchObject({ resize: 'remote', quality: 9 });
  });
});

test('login', async () => {
  const { cert, key } = certificate();
  // htpasswd -B writes the prefix $2y$ for the same hash.
  const hash = hashSync('right', 5).replace('$2b$', '$2y$');
  const made = await files({ 'desk.crt': cert, 'desk.key': key, 'desk.htpasswd': `ann:${hash}\n` });
  const { port } = await startCommand(
    argsOf('login', {
      ':443': ':0',
      '127.0.0.1:5900': await target(),
      '/usr/share/novnc': made.folder!,
      'desk.crt': made['desk.crt']!,
      'desk.key': made['desk.key']!,
      'desk.htpasswd': made['desk.htpasswd']!,
    }),
  );
  const dial = () => connectTls({ port, host: '127.0.0.1', ca: cert });
  await expect(openRaw(dial())).rejects.toThrow('401');
  await echoes(await openRaw(dial(), '/', { Authorization: `Basic ${btoa('ann:right')}` }));
});

test('tokens', async () => {
  const { tokens, folder } = await files({ tokens: `00ff: ${await target()}\n` });
  const edits = { ':6080': '0', tokens: tokens!, '/usr/share/novnc': folder! };
  const { port } = await startCommand(argsOf('tokens', edits));
  await echoes(await openRaw(port, '/websockify?token=00ff'));
});

describeWith('redis-server')('with Redis', () => {
  test('shared', async () => {
    const redis = `redis://127.0.0.1:${(await startRedis()).port}`;
    const [, json = ''] = /\n```jsonc\n([^`]+)```\n\n<!-- command: shared -->/.exec(COMMAND) ?? [];
    const { config } = await files({ config: json });
    const edits = { ':6080': '0', '127.0.0.1:5900': await target(), 'redis://10.0.0.5:6379': redis };
    const { program, port } = await startCommand(argsOf('shared', { ...edits, 'desk.json': config! }));
    await program.prints(/the shared state at redis:\S+ is reached/);
    await echoes(await openRaw(port));
  });
});

test('workers', async () => {
  const edits = { '6080': '0', '127.0.0.1:5900': await target() };
  const { program, port } = await startCommand(argsOf('workers', edits));
  await program.prints(/workers? \(process/);
  const client = await openRaw(port);
  await echoes(client);
  client.socket.destroy();
});

test('drain', async () => {
  const edits = { ':6080': '0', '127.0.0.1:5900': await target(), ':9090': '0' };
  const { program, port } = await startCommand(argsOf('drain', edits));
  await program.prints(/health checks at/);
  const client = await openRaw(port);
  program.process.kill('SIGTERM');
  // The page gives the same number.
  const [line] = await program.prints(/draining: 1 tunnel, up to \d+ s/);
  const [number] = /\d+ s$/.exec(line) ?? [];
  expect(COMMAND).toContain(`draining: 12 tunnels, up to ${number!}\``);
  await echoes(client);
});

test('balance', async () => {
  const edits = { '6080': '0', 'desk-1.lan:5900': await target(), 'desk-2.lan:5900': await target() };
  const { port } = await startCommand(argsOf('balance', edits));
  await echoes(await openRaw(port));
});

test('nginx', async () => {
  const { folder } = await files({});
  const socket = `${folder}/desk.sock`;
  await startCommand(
    argsOf('nginx', {
      ...{ '/run/desk.sock': socket, 'www-data': String(process.getgid!()) },
      '127.0.0.1:5900': await target(),
    }),
  );
  const host = 'desk.example.com';
  await echoes(await openRaw(connect(socket), '/', { Host: host, Origin: `https://${host}` }));
});

test('proxy-protocol', async () => {
  const edits = { '6080': '0', '127.0.0.1:5900': await target() };
  const { port } = await startCommand(argsOf('proxy-protocol', edits));
  const client = new RawClient(port).send('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', handshake('/'));
  expect((await client.answer()).status).toBe(101);
  await echoes(client);
});

test('lighttpd', async () => {
  const { port } = await startEcho();
  const { 'lighttpd.conf': conf } = await files({
    'lighttpd.conf': `server.bind = "127.0.0.1"
      wstunnel.server = ( "" => ( ( "host" => "127.0.0.1", "port" => ${port} ) ) )`,
  });
  const command = await startCommand([...argsOf('lighttpd', { 'lighttpd.conf': conf! }), '--listen', '0']);
  await echoes(await openRaw(command.port));
});

describeWith('Xvnc')('json', () => {
  test('the file and its command', async () => {
    const text = textOf('json');
    const [, block = ''] = /```jsonc\n([\s\S]*?)```/.exec(text) ?? [];
    const made = await files({
      'desk.htpasswd': `ann:${hashSync('right', 5)}\n`,
      bob: 'plain\n',
      'desk.json': '',
    });
    const { folder = '', 'desk.json': file = '' } = made;
    const edited = block
      .replace(':6080', '127.0.0.1:0')
      .replace('/run/desk.sock', `${folder}/desk.sock`)
      .replace('/usr/share/novnc', folder)
      .replace('/run/secrets/bob', made.bob!)
      .replace('":7"', '"-displayfd", "1"');
    await writeFile(file, edited);
    const { port } = await startCommand(argsOf('json', { 'desk.json': file }));
    const headers = { Authorization: `Basic ${btoa('bob:plain')}` };
    await expect(openRaw(port, '/websockify')).rejects.toThrow('401');
    await expect(openRaw(port, '/other', headers)).rejects.toThrow('404');
    const client = await openRaw(port, '/websockify', headers);
    expect((await client.payload(12)).toString()).toMatch(/^RFB 003\.\d{3}\n$/);
  });
});

describeWith('systemd-analyze')('issue 13, case 23: the units for systemd', () => {
  /** Writes the page's units into a folder. */
  async function units(): Promise<{ folder: string; service: string; socket: string }> {
    const unit = (name: string) =>
      new RegExp(`<!-- systemd: ${name} -->\\n\\n\`\`\`ini\\n([^\`]*)\`\`\``).exec(SERVICE)?.[1] ?? '';
    const [service, socket] = [unit('service'), unit('socket')];
    expect(service).toContain('ExecStart=/usr/bin/env express-wstunnel --config ');
    const made = await files({ 'express-wstunnel.service': service, 'express-wstunnel.socket': socket });
    return {
      folder: made.folder!,
      service: made['express-wstunnel.service']!,
      socket: made['express-wstunnel.socket']!,
    };
  }

  const analyze = (...args: string[]) => promisify(execFile)('systemd-analyze', args);

  test('have no error and no warning', async () => {
    const { service, socket } = await units();
    for (const unit of [service, socket])
      expect(await analyze('verify', '--man=no', unit)).toEqual({ stdout: '', stderr: '' });
  });

  test('restrict the service to an exposure of at most 2.5', async () => {
    const { service } = await units();
    // The threshold is an exposure of 2.5 out of 10; a unit without restrictions has 9.6.
    await analyze('security', '--offline=true', '--threshold=25', service);
  });

  test('start with the options of the command', () => {
    const [, line = ''] = /^ExecStart=\/usr\/bin\/env express-wstunnel (.*)$/m.exec(SERVICE) ?? [];
    const flags = line.match(/--[a-z-]+/g) ?? [];
    expect(flags.length).toBeGreaterThan(0);
    expect(flags.filter((flag) => !Object.hasOwn(LISTEN_FLAGS, flag.slice(2)))).toEqual([]);
  });
});

test('every recipe of the command was run', () => {
  expect(names.length).toBeGreaterThan(5);
  expect([...covered].sort()).toEqual([...names].sort());
});

describeWith('websockify')('websockify', () => {
  test('each option of websockify has a row, and the options named in the row exist', async () => {
    const { stdout } = await promisify(execFile)('websockify', ['--help']);
    const flags = new Set(
      Array.from(stdout.matchAll(/^ {2}(?:-\w, )?(--[\w-]+)/gm), ([, flag = '']) => flag),
    );
    expect(flags.size).toBeGreaterThan(30);
    const rows = table(FROM_WEBSOCKIFY, '<!-- from websockify -->');
    const told = new Set(rows.flatMap(([theirs = '']) => theirs.match(/--[a-z][\w-]*/g) ?? []));
    expect([...flags].filter((flag) => !told.has(flag))).toEqual([]);
    // Newer versions of websockify have three more options.
    const newer = ['--unix-listen', '--unix-listen-mode', '--file-only'];
    expect([...told].filter((flag) => !flags.has(flag) && !newer.includes(flag))).toEqual([]);
    const ours = rows.flatMap(([, here = '']) => here.match(/(?<![\w'-])--[a-z][\w-]*/g) ?? []);
    const known = Object.keys({ ...LISTEN_FLAGS, ...PLAY_FLAGS }).map((name) => `--${name}`);
    const ofNode = ['--tls-cipher-list'];
    expect(ours.filter((flag) => !known.includes(flag) && !ofNode.includes(flag))).toEqual([]);
  });
});

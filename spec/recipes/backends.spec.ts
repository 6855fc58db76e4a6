import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Host } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { makeCluster } from '../support/postgres.js';
import { describeWith, Program } from '../support/programs.js';
import { frame, openRaw } from '../support/raw-client.js';
import { startSshd } from '../support/sshd.js';
import { accepts, closedPort, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';
import { BACKENDS } from '../support/readme.js';
import type { Edit } from './recipe.js';

/** The command in a row of the page's table, with the test's own paths and ports. */
function command(name: string, edits: readonly Edit[]): [string, string[]] {
  const row = BACKENDS.split('\n').find((line) => line.startsWith('|') && line.includes(name)) ?? '';
  let text = /^\|[^|]*\| `([^`]+)` \|/.exec(row)?.[1] ?? '';
  for (const [from, to] of edits) {
    expect(text).toContain(from);
    text = text.replaceAll(from, () => to);
  }
  const [program = '', ...args] = text.split(' ');
  return [program, args];
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wstunnel-backend-'));
  onCleanup(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

async function listens(host: Host): Promise<void> {
  await until(() => accepts(host));
}

/** Sends a question through a tunnel, and returns the first `length` bytes of the answer. */
async function ask(server: Host, question: Uint8Array | string, length: number): Promise<string> {
  await listens(server);
  return say(server, question, length);
}

async function say(server: Host, question: Uint8Array | string, length: number): Promise<string> {
  const { port } = await startTunnel({ server });
  const client = await openRaw(port);
  if (question.length > 0) client.send(frame(2, question));
  return (await client.payload(length)).toString('latin1').slice(0, length);
}

describeWith('x11vnc', 'Xvfb')('x11vnc', () => {
  test('greets', async () => {
    const screen = new Program('Xvfb', ['-displayfd', '3', '-nolisten', 'tcp']);
    const [, number = ''] = await screen.prints(/^(\d+)\n/m);
    const port = await closedPort();
    const edits: Edit[] = [
      [':0', `:${number}`],
      ['5900', String(port)],
    ];
    new Program(...command('x11vnc', edits));
    expect(await ask({ port }, '', 12)).toBe('RFB 003.008\n');
  });
});

describeWith('Xvnc')('TigerVNC', () => {
  test('greets on its unix socket', async () => {
    const socket = join(folder(), 'vnc.sock');
    const display = `:${100 + (process.pid % 400)}`;
    new Program(
      ...command('TigerVNC', [
        [':1', display],
        ['/run/vnc.sock', socket],
      ]),
    );
    expect(await ask({ socket }, '', 12)).toBe('RFB 003.008\n');
  });
});

describeWith('sshd', 'ssh-keygen')('OpenSSH', () => {
  test('greets', async () => {
    expect(command('OpenSSH', [])[1]).toContain('ListenAddress=127.0.0.1');
    expect(await ask({ port: (await startSshd()).port }, '', 8)).toBe('SSH-2.0-');
  });
});

describeWith('redis-server')('Redis', () => {
  test('answers', async () => {
    const port = await closedPort();
    const [program, args] = command('Redis', [['6379', String(port)]]);
    new Program(program, [...args, '--save', '', '--dir', folder()]);
    expect(await ask({ port }, 'PING\r\n', 7)).toBe('+PONG\r\n');
  });
});

describeWith(
  'postgres',
  'initdb',
  'runuser',
)('PostgreSQL', () => {
  test('answers on its unix socket', async () => {
    const { home, data, as } = makeCluster();
    const edits: Edit[] = [
      ['/var/lib/postgresql/data', data],
      ['/run/postgresql', home],
    ];
    const [program, args] = command('PostgreSQL', edits);
    new Program(...as(program, [...args, '']));
    // SSLRequest: the answer is one letter, yes or no.
    const request = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
    expect(await ask({ socket: join(home, '.s.PGSQL.5432') }, request, 1)).toMatch(/^[SN]$/);
  });
});

/** Reads the kernel's list, where 00010000 marks a listening socket. */
function isListenedOn(path: string): boolean {
  const lines = readFileSync('/proc/net/unix', 'latin1').split('\n');
  return lines.some((line) => line.endsWith(` ${path}`) && line.includes(' 00010000 '));
}

describeWith('socat')('a serial line', () => {
  test('carries bytes both ways', async () => {
    const home = folder();
    const [line, socket] = [join(home, 'tty'), join(home, 'serial.sock')];
    // A pair of terminals replaces the serial line and the device at its end.
    const device = new Program('socat', [`PTY,link=${line},raw,echo=0`, 'SYSTEM:sed -u s/^/heard\\\\ /']);
    await until(() => existsSync(line) || device.process.exitCode !== null);
    const edits: Edit[] = [
      ['/run/serial.sock', socket],
      ['/dev/ttyS0', line],
    ];
    new Program(...command('a serial line', edits));
    // Not a connection attempt: each connection opens the line, and would read bytes meant for the next one. Not the existence of
    // the file: the file exists from bind(2) on, but connections are refused until listen(2).
    await until(() => isListenedOn(socket));
    expect(await say({ socket, maxTunnels: 1 }, 'hello\n', 12)).toBe('heard hello\n');
  });
});

import { spawnSync } from 'node:child_process';
import { mkdir, readdir, stat, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { run } from '../../src/command/run.js';
import { convertRecording, RecordingReader } from '../../src/record/index.js';
import { CLI, files, runCommand, startCommand } from '../support/command.js';
import { FakeIo } from '../support/fake-io.js';
import { Program } from '../support/programs.js';
import { echoes, openRaw } from '../support/raw-client.js';
import { startBackend, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';
import { accepting, plain, startByHand } from '../support/websocket-server.js';

const recordingsIn = async (folder: string) => (await readdir(folder)).sort();

async function finished(folder: string, count = 1): Promise<string[]> {
  await until(async () => {
    const names = await recordingsIn(folder).catch(() => []);
    return names.length === count && names.every((name) => name.endsWith('.wsrec'));
  });
  return (await recordingsIn(folder)).map((name) => join(folder, name));
}

/** The bytes of a recording as text, `<` before those of the client. */
async function contentOf(file: string): Promise<string> {
  const reader = await RecordingReader.open(file);
  let text = '';
  for await (const { direction, bytes } of reader.records())
    text += direction === 'in' ? `<${bytes.toString()}` : bytes.toString();
  await reader.close();
  return text;
}

async function echoAndLeave(port: number, path = '/'): Promise<void> {
  const client = await openRaw(port, path);
  await echoes(client);
  client.socket.destroy();
}

describe('--record', () => {
  test('creates a folder for this user alone, and records what the client receives', async () => {
    const { port: target } = await startEcho();
    const { folder = '' } = await files({});
    const rec = join(folder, 'rec');
    const { port, program } = await startCommand(['0', String(target), '--record', rec]);
    await program.prints(/tunnels are recorded in .*rec: express-wstunnel play/);
    await echoAndLeave(port);
    const [file = ''] = await finished(rec);
    expect(await contentOf(file)).toBe('ping');
    expect((await stat(rec)).mode & 0o777).toBe(0o700);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(program.output).not.toContain('passwords too');
  });

  test('with both says at the start that passwords are recorded, and records both directions', async () => {
    const { port: target } = await startEcho();
    const { folder = '' } = await files({});
    const args = ['0', String(target), '--record', folder, '--record-direction', 'both'];
    const { port, program } = await startCommand(args);
    await program.prints(/warning: everything that clients type, passwords too, is recorded in/);
    await echoAndLeave(port);
    const [file = ''] = await finished(folder);
    expect(await contentOf(file)).toBe('<pingping');
  });

  test('records the tunnels of every rule and of programs, and goes on after a reload', async () => {
    const { port: target } = await startEcho();
    const args = ['-e', "require('net').createServer((one) => one.pipe(one)).listen(process.env.SOCKET)"];
    const spawn = { path: process.execPath, args, environment: { SOCKET: '{socket}' } };
    const rules = [
      { url: '/port', server: `127.0.0.1:${target}` },
      { url: '/program', server: { spawn } },
    ];
    const json = (direction: string) =>
      JSON.stringify({ listen: 0, record: { folder: 'rec', direction }, rules });
    const { config = '', folder = '' } = await files({ config: json('out') });
    const command = await startCommand(['--config', config]);
    await echoAndLeave(command.port, '/port');
    await finished(join(folder, 'rec'), 1);
    await writeFile(config, json('both'));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/the settings were reloaded[^]*passwords too/);
    await echoAndLeave(command.port, '/program');
    const made = await finished(join(folder, 'rec'), 2);
    const contents = await Promise.all(made.map(contentOf));
    expect(contents.sort()).toEqual(['<pingping', 'ping']);
  });

  test('records a tunnel of a lighttpd.conf', async () => {
    const { port: target } = await startEcho();
    const { conf = '', folder = '' } = await files({
      conf: `server.bind = "127.0.0.1"\nserver.port = 0\nwstunnel.server = ( "" => (( "host" => "127.0.0.1", "port" => ${target} )) )\n`,
    });
    const rec = join(folder, 'rec');
    const { port } = await startCommand(['--listen', '0', '--config', conf, '--record', rec]);
    await echoAndLeave(port);
    const [file = ''] = await finished(rec);
    expect(await contentOf(file)).toBe('ping');
  });

  test.each(['continue', 'close'])(
    'at --record-max-bytes does what --record-when-fails %s says',
    async (what) => {
      const { port: target } = await startBackend((socket) => socket.end(Buffer.alloc(200_000, 'x')));
      const { folder = '' } = await files({});
      const limits = ['--record-max-bytes', '65536', '--record-when-fails', what];
      const { port, program } = await startCommand(['0', String(target), '--record', folder, ...limits]);
      const client = await openRaw(port);
      if (what === 'continue') expect(await client.payload(200_000)).toHaveLength(200_000);
      else expect(await client.close()).toMatchObject({ code: 1011 });
      await program.prints(/its limit of 65536 bytes \(maxBytes\)/);
      const [file = ''] = await finished(folder);
      expect((await stat(file)).size).toBeLessThanOrEqual(65_536);
    },
  );

  test('refuses a folder that --web serves, directly or by links, and creates nothing', async () => {
    const { folder = '' } = await files({});
    const [web, link] = [join(folder, 'web'), join(folder, 'link')];
    await mkdir(join(web, 'inside'), { recursive: true });
    await symlink(web, link);
    const inside = ['web', 'web/new', 'web/inside/new', 'link', 'link/new', 'link/inside'];
    for (const [served, record] of [
      ...inside.map((name) => [web, join(folder, name)] as const),
      ...inside.map((name) => [link, join(folder, name)] as const),
    ])
      for (const more of [[], ['--check-config']]) {
        const args = ['0', '5900', '--web', served, '--record', record, ...more];
        const io = new FakeIo();
        const code = await run(args, io);
        expect([code, io.said], record).toEqual([3, expect.stringContaining('recordings contain secrets')]);
      }
    expect(await readdir(web)).toEqual(['inside']);
    expect(await readdir(join(web, 'inside'))).toEqual([]);
  });

  test('answers 404 for a recording in a folder beside the pages that a link reaches later', async () => {
    const { port: target } = await startEcho();
    const { folder = '' } = await files({});
    const [web, rec] = [join(folder, 'web'), join(folder, 'rec')];
    await mkdir(web);
    const { port, url } = await startCommand(['0', String(target), '--web', web, '--record', rec]);
    await echoAndLeave(port);
    const [file = ''] = await finished(rec);
    await symlink(rec, join(web, 'rec'));
    expect((await fetch(`${url}rec/${basename(file)}`)).status).toBe(404);
  });

  const mayMount = spawnSync('unshare', ['-Urm', 'true']).status === 0;
  test.runIf(mayMount)(
    'answers 404 for a recording in a folder that a bind mount puts among the pages',
    async () => {
      const { folder = '' } = await files({});
      const [web, rec] = [join(folder, 'web'), join(folder, 'rec')];
      await mkdir(join(web, 'rec'), { recursive: true });
      await mkdir(rec);
      for (const name of ['web/page.txt', 'rec/x.wsrec']) await writeFile(join(folder, name), 'text');
      const script = 'mount --bind "$1" "$2/rec" && exec "$3" "$4" 127.0.0.1:0 9 --web "$2" --record "$1"';
      const args = ['-Urm', 'sh', '-c', script, 'sh', rec, web, process.execPath, CLI];
      const [url] = await new Program('unshare', args).prints(/http:[^\s]+/);
      expect((await fetch(`${url}page.txt`)).status).toBe(200);
      expect((await fetch(`${url}rec/x.wsrec`)).status).toBe(404);
    },
  );

  test.each<[string[], number, RegExp]>([
    [['--record', '/nowhere/x'], 3, /\/nowhere: there is no such file or folder/],
    [['--record', process.execPath], 3, /node: it is not a folder/],
    [['--record-direction', 'both'], 2, /--record-direction needs --record/],
    [['--record-max-bytes', '70000'], 2, /--record-max-bytes needs --record/],
    [['--record', 'x', '--record-direction', 'in'], 2, /--record-direction must be one of "out", "both"/],
    [['--record', 'x', '--record-max-bytes', '12'], 2, /--record-max-bytes must be .*65536/],
    [['--record', 'x', '--record-max-bytes', '1e9'], 2, /--record-max-bytes must be/],
    [['--record', 'x', '--record-when-fails', 'stop'], 2, /--record-when-fails must be one of/],
  ])('rejects %j with exit code %i', async (args, code, message) => {
    const io = new FakeIo();
    expect(await run(['0', '5900', ...args], io)).toBe(code);
    expect(io.said).toMatch(message);
  });

  test.each<[unknown, RegExp]>([
    [{ direction: 'both' }, /record needs a "folder"/],
    [{ folder: 'x', maxByte: 1 }, /maxByte/],
    [{ folder: 'x', direction: 'in' }, /record\.direction must be one of/],
    [7, /record/],
    ['', /record/],
  ])('rejects the JSON setting %j, with its line', async (record, message) => {
    const { config = '' } = await files({ config: JSON.stringify({ server: '5900', record }) });
    const io = new FakeIo();
    expect(await run(['--config', config], io)).toBe(3);
    expect(io.said).toMatch(/config:1:\d+: /);
    expect(io.said).toMatch(message);
  });

  test('records the payload of a backend that speaks WebSocket, which gets no offer of compression', async () => {
    let asked = '';
    const backend = await startByHand(async (peer, head) => {
      asked = head;
      peer.send(accepting(head));
      for (let next = await peer.frame(); next; next = await peer.frame())
        peer.send(plain(next.opcode, next.payload));
    });
    const { folder = '' } = await files({});
    const { port } = await startCommand(['0', backend.url, '--record', folder]);
    await echoAndLeave(port);
    const [file = ''] = await finished(folder);
    expect(await contentOf(file)).toBe('ping');
    expect(asked).not.toMatch(/^sec-websocket-extensions/im);
  });

  test('a recording converts to the script that websockify wrote', async () => {
    const { port: target } = await startEcho();
    const { folder = '' } = await files({});
    const { port } = await startCommand(['0', String(target), '--record', folder]);
    await echoAndLeave(port);
    const [file = ''] = await finished(folder);
    const reader = await RecordingReader.open(file);
    let script = '';
    for await (const part of convertRecording(reader, 'novnc')) script += part.toString();
    await reader.close();
    const { code, stdout } = await runCommand(['play', file, '--to', 'novnc']);
    expect([code, stdout]).toEqual([0, script]);
    expect(stdout).toMatch(/^var VNC_frame_encoding = 'base64';\nvar VNC_frame_data = \[\n/);
  });
});

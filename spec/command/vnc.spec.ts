import { rm, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { files, runCommand, startCommand, type Listening } from '../support/command.js';
import { frame, openRaw, pageStatus, statusOf, type RawClient } from '../support/raw-client.js';
import { PASSWORD, SERVER_INIT, startVncServer } from '../support/vnc-desk.js';
import { until } from '../support/wait.js';

const VERSION = 'RFB 003.008\n';
const KEY = Buffer.from('0401000000000061', 'hex');
const UPDATE = Buffer.from('03000000000000080008', 'hex');

/** The handshake of a page that knows no password. */
async function logIn(port: number): Promise<RawClient> {
  const client = await openRaw(port, '/');
  expect((await client.payload(12)).toString()).toBe(VERSION);
  client.send(frame(2, VERSION));
  expect([...(await client.payload(2))]).toEqual([1, 1]);
  client.send(frame(2, Buffer.from([1])));
  expect([...(await client.payload(4))]).toEqual([0, 0, 0, 0]);
  client.send(frame(2, Buffer.from([1])));
  expect(await client.payload(SERVER_INIT.length)).toEqual(SERVER_INIT);
  return client;
}

interface Desk extends Listening {
  readonly made: Record<string, string>;
  readonly server: Awaited<ReturnType<typeof startVncServer>>;
}

async function start(password: string, vnc: object = {}): Promise<Desk> {
  const server = await startVncServer();
  const config = {
    listen: '0',
    server: { port: server.port },
    vnc: { passwordFile: 'desk.password', ...vnc },
  };
  const made = await files({ 'desk.json': JSON.stringify(config), 'desk.password': password });
  const command = await startCommand(
    ['--config', made['desk.json']!, '-v', '--log', '-', '--web', made.folder!],
    {
      NODE_DEBUG: 'wstunnel',
    },
  );
  return { ...command, made, server };
}

async function reread({ program }: Listening): Promise<string> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await until(() => /settings (were|stay)/.test(program.output.slice(before)));
  return program.output.slice(before);
}

/** The error lines of a start, without the path of the file, and the same from --check-config. */
async function errorsOf(vnc: unknown, others: Record<string, string> = {}): Promise<string[]> {
  const config = JSON.stringify({ listen: '0', server: '127.0.0.1:1', vnc });
  const made = await files({ 'desk.json': config, ...others });
  const args = ['--config', made['desk.json']!];
  const [started, checked] = [await runCommand(args), await runCommand([...args, '--check-config'])];
  expect([started.code, checked.code]).toEqual([3, 3]);
  expect(checked.stderr).toBe(started.stderr);
  return started.stderr
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^.*desk\.json:\d+:\d+: /, '').replaceAll(made.folder!, 'FOLDER'));
}

describe('passwordFile', () => {
  test.each([
    ['without a newline', PASSWORD],
    ['with a newline', `${PASSWORD}\n`],
    ['from Windows', `${PASSWORD}\r\n`],
    ['with more lines', `${PASSWORD}\nthe password of the desk\n`],
  ])('%s: the page logs in without a password, and the output has none', async (_name, text) => {
    const { port, program, server, made } = await start(text);
    const client = await logIn(port);
    client.send(frame(2, KEY));
    await until(() => server.last.messages.equals(KEY));
    client.socket.destroy();
    await program.prints(/^close/m);
    expect(program.output).not.toContain(PASSWORD);
    // Never served, although it is in the folder of --web.
    expect(await pageStatus(port, '/desk.password')).toBe(404);
    expect(made['desk.password']).toBeDefined();
  });

  test('that is wrong refuses with 502, and the output has no password', async () => {
    const { port, program } = await start('wrong-secret\n');
    expect(await statusOf(port, '/')).toBe(502);
    await program.prints(/rejected/);
    expect(program.output).not.toContain('wrong-secret');
  });

  test('is read again at a reload; open tunnels stay, and a file that is gone changes nothing', async () => {
    const desk = await start('wrong-secret\n');
    expect(await statusOf(desk.port, '/')).toBe(502);
    await writeFile(desk.made['desk.password']!, `${PASSWORD}\n`);
    // Another password ends the pause.
    expect(await reread(desk)).toContain('were reloaded');
    const client = await logIn(desk.port);
    await rm(desk.made['desk.password']!);
    expect(await reread(desk)).toMatch(/passwordFile: can't read the password of the VNC server/);
    (await logIn(desk.port)).socket.destroy();
    client.send(frame(2, KEY));
    await until(() => desk.server.connections[0]?.messages.equals(KEY) === true);
    expect(desk.program.output).not.toContain(PASSWORD);
  });

  test.each([
    ['missing', { passwordFile: 'none' }, /vnc\.passwordFile: can't read the password .* in FOLDER/],
    ['empty', { passwordFile: 'empty' }, 'must be the first line of its file, FOLDER/empty'],
    ['empty in the first line', { passwordFile: 'blank' }, 'must be the first line of its file'],
    ['a folder', { passwordFile: '.' }, "can't read the password of the VNC server from its file"],
    ['no text', { passwordFile: 5 }, 'vnc.passwordFile: must be the path of a file'],
    ['no path', { passwordFile: '' }, 'vnc.passwordFile: must be the path of a file'],
  ])('that is %s is one error, also with a username', async (_name, vnc, message) => {
    for (const given of [vnc, { ...vnc, username: 'ann' }]) {
      const errors = await errorsOf(given, { empty: '', blank: '\nsecret\n' });
      expect(errors).toEqual([expect.stringMatching(message)]);
      expect(errors.join()).not.toContain('secret');
    }
  });

  // A folder: root may read every file.
  test("that can't be read is an error", async () => {
    const { folder } = await files({});
    const errors = await errorsOf({ passwordFile: folder });
    expect(errors).toEqual([expect.stringMatching(/vnc\.passwordFile: .*(folder|directory)/)]);
  });
});

describe('a mistake', () => {
  test.each<[unknown, string]>([
    [{ password: 'secret' }, 'vnc.password: other users may read it here: write the password into a file'],
    [{ password: null }, 'name the file with "passwordFile"'],
    [{ passwordfile: 'x' }, 'vnc has no "passwordfile"; did you mean "passwordFile"?'],
    [{ paswordFile: 'x' }, 'vnc has no "paswordFile"; did you mean "passwordFile"?'],
    [{ passwrd: 'secret' }, 'vnc has no "passwrd"'],
    [{ viewonly: true }, 'vnc has no "viewonly"; did you mean "viewOnly"?'],
    [{ inputIdleTimout: 5 }, 'vnc has no "inputIdleTimout"; did you mean "inputIdleTimeout"?'],
    [{ username: 'ann' }, 'vnc.username: needs "passwordFile"'],
    [{ viewOnly: 'yes' }, 'vnc.viewOnly must be true or false'],
    [{ inputIdleTimeout: -1 }, 'vnc.inputIdleTimeout must be'],
    ['secret', 'vnc: must be an object such as { "passwordFile": "desk.password", "viewOnly": true }'],
    [['secret'], 'vnc: must be an object'],
  ])('%j is one error, with the way out and no secret', async (vnc, message) => {
    const errors = await errorsOf(vnc);
    expect(errors).toEqual([expect.stringContaining(message)]);
    expect(errors.join()).not.toContain('secret');
    // A file has no option "password".
    expect(errors.join()).not.toContain('did you mean "password"');
  });

  test('in a rule has its place', async () => {
    const config = '{\n"server": "127.0.0.1:1",\n"rules": [{ "vnc": { "viewOnli": true } }]\n}';
    const { 'desk.json': file } = await files({ 'desk.json': config });
    const { code, stderr } = await runCommand(['--config', file!, '--check-config']);
    expect(code).toBe(3);
    expect(stderr).toContain('desk.json:3:22: rules[0].vnc has no "viewOnli"; did you mean "viewOnly"?');
  });
});

test('viewOnly drops keys, and inputIdleTimeout ends the tunnel', async () => {
  const { port, server, program } = await start(PASSWORD, { viewOnly: true, inputIdleTimeout: 0.5 });
  const client = await logIn(port);
  client.send(frame(2, Buffer.concat([KEY, UPDATE])));
  await until(() => server.last.messages.equals(UPDATE));
  expect(await client.close()).toMatchObject({ code: 1001 });
  client.socket.end();
  await program.prints(/input-idle|no key or pointer/);
});

test('rules give other rights', async () => {
  const server = await startVncServer();
  const vnc = { passwordFile: 'desk.password' };
  const rules = [{ when: { query: { matches: 'watch' } }, vnc: { ...vnc, viewOnly: true } }];
  const config = JSON.stringify({ listen: '0', server: { port: server.port }, vnc, rules });
  const made = await files({ 'desk.json': config, 'desk.password': PASSWORD });
  const checked = await runCommand(['--config', made['desk.json']!, '--check-config']);
  expect(checked.code).toBe(0);
  const { port } = await startCommand(['--config', made['desk.json']!]);
  const client = await openRaw(port, '/?watch');
  client.send(frame(2, `${VERSION}\x01\x01`), frame(2, Buffer.concat([KEY, UPDATE])));
  await until(() => server.connections[0]?.messages.equals(UPDATE) === true);
});

test('frames of a WebSocket target are refused at the start', async () => {
  const config = JSON.stringify({ server: { url: 'ws://127.0.0.1:1/' }, vnc: { viewOnly: true } });
  const { 'desk.json': file } = await files({ 'desk.json': config });
  const { code, stderr } = await runCommand(['--config', file!, '--check-config']);
  expect(code).toBe(3);
  expect(stderr).toContain('vnc needs the bytes of the payload');
});

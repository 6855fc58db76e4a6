import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { makeCertificate } from '../support/certificate.js';
import { files, type Listening, nameAt, startCommand, startNamed } from '../support/command.js';
import {
  closeFrame,
  echoes,
  openRaw,
  type RawClient,
  requestTunnel,
  statusOf,
} from '../support/raw-client.js';
import { accepts, startEcho } from '../support/servers.js';
import { holds, until } from '../support/wait.js';

const signal = ({ program }: Listening, name: NodeJS.Signals) => program.process.kill(name);

/** Sends SIGHUP and waits for the result of the reload. */
async function reread(command: Listening): Promise<string> {
  const before = command.program.output.length;
  signal(command, 'SIGHUP');
  await until(() => /settings (were|stay)/.test(command.program.output.slice(before)));
  return command.program.output.slice(before);
}

/** Starts the command in front of an echo, and opens a tunnel. */
async function startWithTunnel(): Promise<Listening & { client: RawClient }> {
  const { port: target } = await startEcho();
  const command = await startCommand(['0', String(target)]);
  const client = await openRaw(command.port);
  await echoes(client);
  return { ...command, client };
}

function answerClose(client: RawClient): void {
  client.send(closeFrame(1001)).socket.end();
}

test.each(['SIGTERM', 'SIGINT'] as const)(
  '%s drains: new tunnels are refused, open ones get Close 1001, the exit code is 0',
  async (name) => {
    const { client, ...command } = await startWithTunnel();
    signal(command, name);
    expect(await client.close()).toMatchObject({ code: 1001 });
    expect(await accepts({ port: command.port })).toBe(false);
    expect(command.program.process.exitCode).toBeNull();
    answerClose(client);
    expect(await command.exit()).toBe(0);
  },
);

test.each([
  ['SIGTERM', 143],
  ['SIGINT', 130],
] as const)('a second %s ends the command at once, with exit code %i', async (name, code) => {
  const { client, ...command } = await startWithTunnel();
  signal(command, name);
  // The client does not answer the Close, so the command keeps waiting.
  expect(await client.close()).toMatchObject({ code: 1001 });
  signal(command, name);
  expect(await command.exit()).toBe(code);
});

test('a file that is being sent is sent completely', async () => {
  const { port: target } = await startEcho();
  const { folder } = await files({ large: Buffer.alloc(50_000_000, 'x') });
  const command = await startCommand(['0', String(target), '--web', folder!]);
  const socket = connect(command.port, '127.0.0.1');
  socket.write('GET /large HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(socket, 'readable');
  signal(command, 'SIGTERM');
  await until(async () => !(await accepts({ port: command.port })));
  let received = 0;
  for await (const chunk of socket) received += (chunk as Buffer).length;
  expect(received).toBeGreaterThan(50_000_000);
  expect(await command.exit()).toBe(0);
});

test('SIGHUP: new tunnels get the new settings, open tunnels stay open', async () => {
  const [a, b] = [await startNamed('a'), await startNamed('b')];
  const { port: echo } = await startEcho();
  const config = (target: number) => JSON.stringify({ listen: '0', server: { port: target } });
  const { 'desk.json': file } = await files({ 'desk.json': config(echo) });
  const command = await startCommand(['--config', file!]);
  const before = await openRaw(command.port);
  await echoes(before);

  await writeFile(file!, config(a));
  expect(await reread(command)).toMatch(/reloaded/);
  expect(await nameAt(command.port)).toBe('a');
  await echoes(before);

  // The second and third reload happen while tunnels of both older settings are open.
  const middle = await openRaw(command.port);
  await writeFile(file!, config(b));
  await reread(command);
  await reread(command);
  expect(await nameAt(command.port)).toBe('b');
  expect((await middle.payload(1)).toString()).toBe('a');
  await echoes(before);

  // SIGTERM closes the tunnels of all settings.
  signal(command, 'SIGTERM');
  for (const client of [before, middle]) {
    expect(await client.close()).toMatchObject({ code: 1001 });
    answerClose(client);
  }
  expect(await command.exit()).toBe(0);
});

test("SIGHUP with an invalid file keeps the old settings and reports the error's position", async () => {
  const a = await startNamed('a');
  const { 'desk.json': file } = await files({ 'desk.json': JSON.stringify({ server: { port: a } }) });
  const command = await startCommand(['--config', file!, '--listen', '127.0.0.1:0']);
  const broken = [
    ['{\n  "server": { "port": 1 }\n  "web": "."\n}', /desk\.json:3:3: .*the old settings stay in force\n$/],
    ['{ "server": { "prot": 1 } }', /desk\.json:1:15: server has no "prot"; did you mean "port"\?; the old/],
    ['{ "server": { "port": 1 }, "web": "none" }', /none: there is no such file or folder; the old/],
  ] as const;
  for (const [text, said] of broken) {
    await writeFile(file!, text);
    expect(await reread(command)).toMatch(said);
    expect(await nameAt(command.port)).toBe('a');
  }
  await writeFile(file!, JSON.stringify({ server: { port: a }, listen: '1' }));
  expect(await reread(command)).toMatch(/reloaded/);
});

test('SIGHUP: new connections get the new certificate', async () => {
  const { port: target } = await startEcho();
  const [one, two] = [makeCertificate({ name: 'one' }), makeCertificate({ name: 'two' })];
  const { cert, key } = await files({ cert: one.cert, key: one.key });
  const command = await startCommand(['0', String(target), '--cert', cert!, '--key', key!]);
  const dial = async () => {
    const socket = connectTls({ port: command.port, host: '127.0.0.1', rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    return {
      client: requestTunnel(socket, '/'),
      name: socket.getPeerCertificate().subject.CN,
    };
  };
  const before = await dial();
  expect(before.name).toBe('one');
  expect((await before.client.answer()).status).toBe(101);

  await writeFile(cert!, two.cert);
  expect(await reread(command)).toMatch(/this key does not belong to .*the old settings stay in force/);
  await writeFile(key!, two.key);
  await reread(command);
  const after = await dial();
  expect(after.name).toBe('two');
  expect((await after.client.answer()).status).toBe(101);
  await echoes(before.client);
});

test('SIGHUP: the log is opened again under its name', async () => {
  const { port: target } = await startEcho();
  const { log } = await files({ log: '' });
  const command = await startCommand(['0', String(target), '--log', log!]);
  const lines = async (path: string) => (await readFile(path, 'utf8')).trim().split('\n').length;
  (await openRaw(command.port)).socket.destroy();
  await holds(async () => expect(await lines(log!)).toBe(2));
  await rename(log!, `${log!}.1`);
  await reread(command);
  (await openRaw(command.port)).socket.destroy();
  await holds(async () => expect(await lines(log!)).toBe(2));
  expect(await lines(`${log!}.1`)).toBe(2);
});

test('SIGHUP: a log that became a FIFO does not delay the exit', async () => {
  const { port: target } = await startEcho();
  const { log } = await files({ log: '' });
  const command = await startCommand(['0', String(target), '--log', log!]);
  await rm(log!);
  execFileSync('mkfifo', [log!]);
  expect(await reread(command)).toMatch(/log: no program reads from it; the old settings stay in force/);
  signal(command, 'SIGTERM');
  expect(await command.exit()).toBe(0);
});

test('SIGHUP: a login is not replaced by certificates that nothing requires', async () => {
  const { port: target } = await startEcho();
  const { cert, key } = makeCertificate();
  const made = await files({ cert, key, secret: 'secret\n', 'desk.json': '' });
  const config = (more: object) =>
    writeFile(
      made['desk.json']!,
      JSON.stringify({ listen: '0', server: { port: target }, cert: 'cert', key: 'key', ...more }),
    );
  await config({ auth: 'ann:secret' });
  const command = await startCommand(['--config', made['desk.json']!]);
  const status = async () => {
    const socket = connectTls({ port: command.port, host: '127.0.0.1', ca: cert });
    return await statusOf(socket, '/');
  };
  expect(await status()).toBe(401);
  await config({ clientCa: 'cert' });
  expect(await reread(command)).toMatch(
    /a reload can't change whether clients need certificates: restart the command; the old/,
  );
  expect(await status()).toBe(401);
});

test('SIGHUP: settings that guard nothing are reported', async () => {
  const { port: target } = await startEcho();
  const { 'desk.json': file } = await files({ 'desk.json': '' });
  const config = (more: object) =>
    writeFile(file!, JSON.stringify({ listen: ':0', server: { port: target }, ...more }));
  const { tokens } = await files({ tokens: 'secret: 1\n' });
  await writeFile(file!, JSON.stringify({ listen: ':0', tokens }));
  const command = await startCommand(['--config', file!]);
  expect(command.program.output).not.toMatch(/warning/);
  await config({});
  signal(command, 'SIGHUP');
  await command.program.prints(/warning: every client that can reach :0 may open a tunnel/);
  // A listen address on loopback in the file does not silence the warning: the address changes at a restart only.
  await config({ listen: '0' });
  const before = command.program.output.length;
  signal(command, 'SIGHUP');
  await until(() => /warning/.test(command.program.output.slice(before)));
  expect(command.program.output.slice(before)).toMatch(/apply after a restart/);
});

import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { hashSync } from 'bcryptjs';
import { parse } from 'jsonc-parser';
import { describe, expect, test } from 'vitest';
import type { SpawnOptions } from '../../src/index.js';
import { onCleanup } from '../support/cleanup.js';
import { files, nameAt, startCommand, startNamed, type Listening } from '../support/command.js';
import { describeWith } from '../support/programs.js';
import { echoes, openRaw, type RawClient, requestTunnel, statusOf } from '../support/raw-client.js';
import { COMMAND } from '../support/readme.js';
import { closedPort, startBackend, startEcho } from '../support/servers.js';
import { GREETER, Marked, temporaryFolder } from '../support/spawned.js';
import { until } from '../support/wait.js';

/** Sends SIGHUP and waits for the result of the reload. */
async function reread({ program }: Listening): Promise<void> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await until(() => /settings (were|stay)/.test(program.output.slice(before)));
  expect(program.output.slice(before)).toContain('were reloaded');
}

async function start(config: object): Promise<Listening & { file: string }> {
  const { 'desk.json': file } = await files({ 'desk.json': JSON.stringify({ listen: '0', ...config }) });
  return { ...(await startCommand(['--config', file!, '--log', '-'])), file: file! };
}

interface Example {
  server: { spawn: SpawnOptions };
  limits: { perClient: number };
}

/** The JSON example of the page. */
function example(): Example {
  const [, rest = ''] = COMMAND.split('<!-- command: json -->');
  const [, block = ''] = /```jsonc\n([^]*?)```/.exec(rest) ?? [];
  return parse(block) as Example;
}

/** The process id, which the program sends first. */
async function pidOf(client: RawClient): Promise<number> {
  return Number((await client.shows(/^\d+\n/))[0]);
}

describe('issue 12, case 2: a reload of the settings', () => {
  test.each([
    ['limits.perClient', { limits: { perClient: 1 } }, {}, 429],
    ['limits.total', { limits: { total: 1 } }, {}, 503],
    ['maxTunnels', {}, { maxTunnels: 1 }, 503],
  ])('keeps counting the tunnels that %s limits', async (_name, config, host, status) => {
    const { port } = await startEcho();
    const command = await start({ ...config, server: { port, ...host } });
    const client = await openRaw(command.port);
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      expect(await statusOf(command.port, '/')).toBe(status);
    }
    await echoes(client);
    client.socket.destroy();
    await until(async () => (await statusOf(command.port, '/')) === 101);
  });

  test('issue 16: keeps counting the requests before the 101 that limits.opening limits', async () => {
    const silent = await startBackend();
    const server = { port: silent.port, tls: true, connectTimeout: 60 };
    const command = await start({ server, limits: { opening: 1 } });
    const first = requestTunnel(command.port, '/');
    await silent.connection();
    for (let reload = 0; reload < 2; reload++) {
      await reread(command);
      expect(await statusOf(command.port, '/')).toBe(503);
    }
    first.socket.destroy();
    // A free slot: the command dials the backend, which does not answer.
    await until(async () => {
      const next = requestTunnel(command.port, '/');
      const answered = await Promise.race([next.answer(), silent.connection()]);
      next.socket.destroy();
      return !('status' in answered);
    });
  });

  test("issue 16: counts a user's tunnels of the old settings for perUser, and lets them be taken over", async () => {
    const { port } = await startEcho();
    const { 'auth.txt': auth } = await files({
      'auth.txt': `ann:${hashSync('one', 4)}\nbob:${hashSync('two', 4)}\n`,
    });
    const config = (limits: object) => ({
      ...{ listen: '0', auth: [auth], limits },
      server: { port, maxTunnels: 1, onFull: 'takeover' },
    });
    const login = (text: string) => ({ Authorization: `Basic ${Buffer.from(text).toString('base64')}` });
    const command = await start(config({ perUser: 1 }));
    const old = await openRaw(command.port, '/', login('ann:one'));
    await reread(command);
    expect(await statusOf(command.port, '/', login('ann:one'))).toBe(429);
    expect(await statusOf(command.port, '/', login('bob:two'))).toBe(503);
    await writeFile(command.file, JSON.stringify(config({ perUser: 2 })));
    await reread(command);
    const next = requestTunnel(command.port, '/', login('ann:one'));
    expect(await old.close()).toMatchObject({ code: 4409 });
    old.socket.destroy();
    expect((await next.answer()).status).toBe(101);
    await echoes(next);
  });

  test('applies a changed limit to tunnels that are already open', async () => {
    const { port } = await startEcho();
    const config = (perClient: number) => ({ listen: '0', server: { port }, limits: { perClient } });
    const command = await start(config(1));
    await openRaw(command.port);
    await writeFile(command.file, JSON.stringify(config(2)));
    await reread(command);
    await openRaw(command.port);
    expect(await statusOf(command.port, '/')).toBe(429);
  });

  test('remembers which host is down', async () => {
    const dead = await closedPort();
    const alive = await startNamed('b');
    const command = await start({ server: [{ port: dead, disableTime: 600 }, { port: alive }] });
    expect(await nameAt(command.port)).toBe('b');
    const server = createServer((peer) => peer.on('error', () => undefined).end('a')).listen(
      dead,
      '127.0.0.1',
    );
    await once(server, 'listening');
    onCleanup(() => server.close());
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      expect(await nameAt(command.port)).toBe('b');
    }
  });

  test("reports each change of a host's state once", async () => {
    const { port: other } = await startEcho();
    const dead = await closedPort();
    const config = (port: number) => ({ listen: '0', server: [{ port, disableTime: 0 }, { port: other }] });
    const command = await start(config(other));
    await openRaw(command.port);
    await writeFile(command.file, JSON.stringify(config(dead)));
    await reread(command);
    await reread(command);
    await openRaw(command.port);
    await openRaw(command.port);
    await until(() => command.program.output.includes('"event":"backend"'));
    const opened = () => command.program.output.split('"event":"open"').length - 1;
    await until(() => opened() === 3);
    expect(command.program.output.split('"event":"backend"')).toHaveLength(2);
  });

  test('keeps the program on a fixed address running, with and without tunnels', async () => {
    const marked = new Marked();
    const socket = `${await temporaryFolder()}/desk`;
    const spawn = {
      path: process.execPath,
      args: ['-e', GREETER],
      maxProcs: 1,
      maxLoadPerProc: 0,
      handOver: false,
    };
    const server = { socket, spawn: marked.mark(spawn) };
    const command = await start({ server });
    const client = await openRaw(command.port);
    const pid = await pidOf(client);
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      const next = await openRaw(command.port);
      expect(await pidOf(next)).toBe(pid);
      next.socket.destroy();
    }
    client.socket.destroy();
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      expect(await pidOf(await openRaw(command.port))).toBe(pid);
    }
    expect(marked.programs()).toHaveLength(1);
    command.program.process.kill('SIGTERM');
    command.program.process.kill('SIGTERM');
    await marked.none();
  });

  test('starts processes of a changed program, and ends the old ones once they are idle', async () => {
    const marked = new Marked();
    const config = (name: string) => ({
      listen: '0',
      server: {
        spawn: marked.mark({
          ...{
            path: process.execPath,
            args: ['-e', GREETER, name],
            handOver: false,
            maxProcs: 1,
            maxLoadPerProc: 0,
          },
          ...{ minProcs: 1, idleTimeout: 600 },
        }),
      },
    });
    const command = await start(config('one'));
    const client = await openRaw(command.port);
    const pid = await pidOf(client);
    await writeFile(command.file, JSON.stringify(config('two')));
    await reread(command);
    const other = await pidOf(await openRaw(command.port));
    expect(other).not.toBe(pid);
    client.send('').socket.destroy();
    await until(() => !marked.programs().includes(pid));
    expect(marked.programs()).toContain(other);
    expect(marked.programs()).toHaveLength(1);
  }, 40_000);
});

describeWith('Xvnc')("issue 12, case 2: the page's example, Xvnc on a fixed display", () => {
  test('keeps the desktop when the file is unchanged, and starts another when it has changed', async () => {
    const marked = new Marked();
    const display = 3000 + (process.pid % 20_000);
    const { server, limits } = example();
    const spawn = marked.mark({
      ...server.spawn,
      args: (server.spawn.args ?? []).map((arg) => (/^:\d+$/.test(arg) ? `:${display}` : arg)),
    });
    const config = (geometry: string) => ({
      limits,
      server: { spawn: { ...spawn, args: [...(spawn.args ?? []), '-geometry', geometry] } },
    });
    const command = await start(config('320x200'));
    const banner = async () => {
      const client = await openRaw(command.port);
      // After a few clients without a login the VNC server refuses with a banner of the same prefix.
      expect((await client.payload(12)).toString()).toMatch(/^RFB 003\.00/);
      return client;
    };
    const first = await banner();
    const desktops = marked.programs();
    expect(desktops).toHaveLength(1);
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      (await banner()).socket.destroy();
    }
    first.socket.destroy();
    for (let reload = 0; reload < 3; reload++) {
      await reread(command);
      (await banner()).socket.destroy();
    }
    expect(marked.programs()).toEqual(desktops);
    // A display can have one desktop only: the new program starts after the end of the old program.
    await writeFile(command.file, JSON.stringify({ listen: '0', ...config('400x300') }));
    await reread(command);
    await until(async () => (await statusOf(command.port, '/')) === 101);
    (await banner()).socket.destroy();
    expect(marked.programs()).toHaveLength(1);
    expect(marked.programs()).not.toEqual(desktops);
  }, 60_000);
});

import { writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { SpawnOptions } from '../../src/index.js';
import { files, startCommand, startNamed, type Listening } from '../support/command.js';
import { closeFrame, echoes, openRaw, statusOf, type RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { GREETER, Marked, node, temporaryFolder } from '../support/spawned.js';
import { holds, sleep, until } from '../support/wait.js';

interface Reloadable extends Listening {
  /** Writes the settings, sends SIGHUP, and waits for the result. */
  reload(config: object | string, result?: string): Promise<void>;
}

async function start(config: object | string, args: string[] = []): Promise<Reloadable> {
  const isText = typeof config === 'string';
  const name = isText ? 'lighttpd.conf' : 'desk.json';
  const text = (one: object | string) =>
    typeof one === 'string' ? one : JSON.stringify({ listen: '0', ...one });
  const { [name]: file } = await files({ [name]: text(config) });
  const listen = isText ? ['--listen', '127.0.0.1:0'] : [];
  const command = await startCommand(['--config', file!, '--log', '-', ...listen, ...args]);
  const { program } = command;
  return {
    ...command,
    async reload(next, result = 'were reloaded') {
      await writeFile(file!, text(next));
      const before = program.output.length;
      program.process.kill('SIGHUP');
      await until(() => /settings (were|stay)/.test(program.output.slice(before)));
      expect(program.output.slice(before)).toContain(result);
    },
  };
}

/** The process id, which the program sends first. */
async function pidOf(client: RawClient): Promise<number> {
  return Number((await client.shows(/^\d+\n/))[0]);
}

/** The process id of the program that a new tunnel reaches. */
async function pidAt(command: Listening, path = '/'): Promise<number> {
  const client = await openRaw(command.port, path);
  const pid = await pidOf(client);
  await leave(command, client);
  return pid;
}

/** Resolves when the command has released the tunnel. */
async function leave({ program }: Listening, client: RawClient): Promise<void> {
  const closes = () => program.output.split('"event":"close"').length;
  const before = closes();
  client.send(closeFrame(1000)).socket.destroy();
  await until(() => closes() > before);
}

/** A program that stays without tunnels. */
function greeter(marked: Marked, ...args: string[]): SpawnOptions {
  const { args: own = [], ...spawn } = node(GREETER, {
    ...{ maxProcs: 1, maxLoadPerProc: 0, handOver: false, idleTimeout: 600 },
  });
  return marked.mark({ ...spawn, args: [...own, ...args] });
}

describe('a reload to settings without the host', () => {
  test("keeps the host's tunnels, and ends its program with the last of them, while other old tunnels stay", async () => {
    const marked = new Marked();
    const { port } = await startEcho();
    const echo = { '/echo': { port } };
    const command = await start({ server: { ...echo, '/desk': { spawn: greeter(marked) } } });
    const [other, one, two] = [
      await openRaw(command.port, '/echo'),
      await openRaw(command.port, '/desk'),
      await openRaw(command.port, '/desk'),
    ];
    const pid = await pidOf(one);
    await pidOf(two);
    await command.reload({ server: echo });
    expect(await statusOf(command.port, '/desk')).toBe(404);
    for (const client of [other, one, two]) await echoes(client);
    await leave(command, one);
    await echoes(two);
    expect(marked.programs()).toEqual([pid]);
    await leave(command, two);
    await marked.none();
    await echoes(other);
  });

  test('ends a program without tunnels at once, while other old tunnels stay', async () => {
    const marked = new Marked();
    const { port } = await startEcho();
    const echo = { '/echo': { port } };
    const desk = { '/desk': { spawn: { ...greeter(marked), minProcs: 1 } } };
    const command = await start({ server: { ...echo, ...desk } });
    const other = await openRaw(command.port, '/echo');
    await until(() => marked.programs().length === 1);
    await command.reload({ server: echo });
    await marked.none();
    await echoes(other);
  });

  test('and a reload with the host again: the program with tunnels is found, and stays', async () => {
    const marked = new Marked();
    const { port } = await startEcho();
    const server = {
      '/echo': { port },
      '/desk': { socket: `${await temporaryFolder()}/desk`, maxTunnels: 2, spawn: greeter(marked) },
    };
    const command = await start({ server });
    const client = await openRaw(command.port, '/desk');
    const pid = await pidOf(client);
    for (let turn = 0; turn < 3; turn++) {
      await command.reload({ server: { '/echo': { port } } });
      expect(await statusOf(command.port, '/desk')).toBe(404);
      await command.reload({ server });
      expect(await pidAt(command, '/desk')).toBe(pid);
    }
    await leave(command, client);
    expect(await pidAt(command, '/desk')).toBe(pid);
    expect(marked.programs()).toEqual([pid]);
  });
});

describe('a reload with changed settings of a host', () => {
  test('a changed program starts on the fixed socket once the old one is idle, while other old tunnels stay', async () => {
    const [before, after] = [new Marked(), new Marked()];
    const { port } = await startEcho();
    const socket = `${await temporaryFolder()}/desk`;
    const config = (spawn: SpawnOptions) => ({
      server: { '/echo': { port }, '/desk': { socket, disableTime: 0, spawn } },
    });
    const command = await start(config(greeter(before, 'one')));
    const other = await openRaw(command.port, '/echo');
    const client = await openRaw(command.port, '/desk');
    const pid = await pidOf(client);
    await command.reload(config(greeter(after, 'two')));
    expect(before.programs()).toEqual([pid]);
    await leave(command, client);
    await before.none();
    await until(async () => (await statusOf(command.port, '/desk')) === 101);
    expect(after.programs()).toHaveLength(1);
    await echoes(other);
  }, 60_000);

  test.each([
    ['limits.perClient', (most: number) => ({ limits: { perClient: most } }), 429],
    ['limits.total', (most: number) => ({ limits: { total: most } }), 503],
  ])(
    '%s below the count of open tunnels cuts nobody, and admits nobody until there is room',
    async (...row) => {
      const [, config, status] = row;
      const { port } = await startEcho();
      const command = await start({ server: { port }, ...config(3) });
      const clients = [await openRaw(command.port), await openRaw(command.port), await openRaw(command.port)];
      await command.reload({ server: { port }, ...config(1) });
      await closesInTurn(command, clients, status);
    },
  );

  test('maxTunnels below the count of open tunnels, and a new name of the path: the same', async () => {
    const { port } = await startEcho();
    const command = await start({ server: { '/desk': { port, maxTunnels: 3 } } });
    const open = () => openRaw(command.port, '/desk');
    const clients = [await open(), await open(), await open()];
    await command.reload({ server: { '/': { port, maxTunnels: 1 } } });
    await closesInTurn(command, clients, 503);
  });

  /** All tunnels echo; a newcomer gets the refusal until the last one has ended. */
  async function closesInTurn(command: Listening, clients: RawClient[], status: number): Promise<void> {
    for (let client = clients.pop(); client; client = clients.pop()) {
      for (const one of [...clients, client]) await echoes(one);
      expect(await statusOf(command.port, '/')).toBe(status);
      await leave(command, client);
    }
    expect(await statusOf(command.port, '/')).toBe(101);
  }
});

describe('signals at the wrong moment', () => {
  test('a burst of SIGHUP applies the last file, and no handshake fails meanwhile', async () => {
    const [a, b] = [await startNamed('a'), await startNamed('b')];
    const { 'desk.json': file } = await files({ 'desk.json': '' });
    const config = (port: number) => JSON.stringify({ listen: '0', server: { port } });
    await writeFile(file!, config(a));
    const command = await startCommand(['--config', file!]);
    let isOver = false;
    const statuses: number[] = [];
    const visit = async () => {
      while (!isOver) statuses.push(await statusOf(command.port));
    };
    const newcomers = visit();
    for (let turn = 0; turn < 100; turn++) {
      await writeFile(file!, config(turn % 2 === 0 ? a : b));
      command.program.process.kill('SIGHUP');
      if (turn % 10 === 0) await sleep(turn / 5);
    }
    await holds(async () => {
      const client = await openRaw(command.port);
      expect((await client.payload(1)).toString()).toBe('b');
      client.socket.destroy();
    });
    isOver = true;
    await newcomers;
    expect(new Set(statuses)).toEqual(new Set([101]));
  });

  test.each([0, 1, 3, 10, 30])(
    'SIGTERM %d ms after a burst of SIGHUP: tunnels get the Close 1001, and no program is left',
    async (pause) => {
      const marked = new Marked();
      const { port } = await startEcho();
      const server = { '/echo': { port }, '/desk': { spawn: { ...greeter(marked), minProcs: 1 } } };
      const command = await start({ server });
      const clients = [await openRaw(command.port, '/echo'), await openRaw(command.port, '/desk')];
      for (let turn = 0; turn < 5; turn++) {
        command.program.process.kill('SIGHUP');
        await sleep(1);
      }
      await sleep(pause);
      command.program.process.kill('SIGTERM');
      for (const client of clients) {
        expect(await client.close()).toMatchObject({ code: 1001 });
        client.send(closeFrame(1001)).socket.end();
      }
      expect(await command.exit()).toBe(0);
      await marked.none();
    },
  );

  test('a reload that fails leaves programs, tunnels and caps', async () => {
    const marked = new Marked();
    const server = { socket: `${await temporaryFolder()}/desk`, maxTunnels: 2, spawn: greeter(marked) };
    const command = await start({ server, limits: { total: 2 } });
    const client = await openRaw(command.port);
    const pid = await pidOf(client);
    const stay = 'old settings stay in force';
    for (const broken of ['{', { server: 1 }, { server, web: '/nowhere' }, { server, auth: ['/nowhere'] }]) {
      await command.reload(broken, stay);
      expect(await pidAt(command)).toBe(pid);
    }
    const second = await openRaw(command.port);
    expect(await pidOf(second)).toBe(pid);
    expect(await statusOf(command.port)).toBe(503);
    await echoes(client);
    expect(marked.programs()).toEqual([pid]);
  });
});

describe('a lighttpd.conf', () => {
  test('reloads like JSON: the program of an unchanged host stays, tunnels of a removed one go on', async () => {
    const marked = new Marked();
    const { port } = await startEcho();
    const folder = await temporaryFolder();
    const script = `${folder}/greet.js`;
    await writeFile(script, GREETER.replace('process.env.WSTUNNEL_SOCKET', '{ fd: 0 }'));
    const echo = `"/echo" => ( ( "host" => "127.0.0.1", "port" => ${port} ) )`;
    const desk = `"/desk" => ( ( "socket" => "${folder}/desk", "bin-path" => "${process.execPath} ${script}",
      "max-procs" => 1, "bin-environment" => ( "${marked.name}" => "yes" ) ) )`;
    const conf = (...hosts: string[]) => `wstunnel.server = ( ${hosts.join(', ')} )\n`;
    const command = await start(conf(echo, desk));
    const other = await openRaw(command.port, '/echo');
    const client = await openRaw(command.port, '/desk');
    const pid = await pidOf(client);
    for (let turn = 0; turn < 3; turn++) {
      await command.reload(conf(echo, desk));
      expect(await pidAt(command, '/desk')).toBe(pid);
    }
    await command.reload('wstunnel.server = (', 'old settings stay in force');
    expect(await pidAt(command, '/desk')).toBe(pid);
    await command.reload(conf(echo));
    expect(await statusOf(command.port, '/desk')).toBe(404);
    for (const one of [client, other]) await echoes(one);
    await leave(command, client);
    await marked.none();
    await echoes(other);
  }, 40_000);
});

import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import type { IPty } from '@lydell/node-pty';
import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../demo/arguments.js';
import { PtyStream } from '../../demo/terminal/pty-stream.js';
import { ADMIN_PASSWORD, cookieOf, startDemoFor, TRAINEE_PASSWORD } from '../support/demo.js';
import { describeWith } from '../support/programs.js';
import { frame, openRaw, pageStatus, type RawClient, statusOf } from '../support/raw-client.js';
import { isAlive } from '../support/spawned.js';
import { until } from '../support/wait.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const TRAINEE = ['trainee', TRAINEE_PASSWORD] as const;

async function start(idleTimeout?: number) {
  const terminal = idleTimeout === undefined ? {} : { idleTimeout };
  const demo = await startDemoFor({ port: 1 }, { terminal });
  const cookie = await cookieOf(demo.url);
  const open = (query = '', own = cookie) => openRaw(demo.port, `/terminal/socket${query}`, { Cookie: own });
  return { demo, cookie, open };
}

/** Types a command. The echo of the line must not match what the test looks for. */
const type = (client: RawClient, line: string) => client.send(frame(2, `${line}\n`));

async function pidOf(client: RawClient): Promise<number> {
  type(client, 'echo "pid=""$$."');
  return Number((await client.shows(/pid=(\d+)\./))[1]);
}

let asked = 0;

/** Asks the shell until it has the size: tmux tells the shell a little later. */
async function hasSize(client: RawClient, rows: number, cols: number): Promise<void> {
  await until(async () => {
    // tmux draws old lines again.
    const name = `size${++asked}`;
    type(client, `echo "${name}=""$(stty size)."`);
    return (await client.shows(new RegExp(`${name}=([\\d ]+)\\.`)))[1] === `${rows} ${cols}`;
  });
}

describe('issue 20: the terminal of the demo', () => {
  test('is a shell with a terminal of the size that the page sends', async () => {
    const { open } = await start();
    const client = await open('?cols=101&rows=33');
    await hasSize(client, 33, 101);
    client.send(frame(1, '{"cols":64,"rows":20}'));
    await hasSize(client, 20, 64);
    type(client, 'printf "gr\\303\\266\\303\\237e"');
    await client.shows(/größe/);
  });

  test.each(['exit', '{"cols":0,"rows":20}', '{"cols":1e9,"rows":20}', '{"cols":80}', 'null', '[]'])(
    'the message %s, which is no size, ends the terminal',
    async (text) => {
      const { open } = await start();
      const client = await open();
      client.send(frame(1, text));
      expect(await client.close()).toMatchObject({ code: 1011 });
    },
  );

  test('a page that has enough to draw pauses the shell', async () => {
    const { open } = await start();
    const client = await open();
    type(client, 'echo "rea""dy"');
    await client.shows(/ready/);
    client.send(frame(1, '{"paused":true}'));
    // What was typed is carried out, and what it prints comes after the pause.
    type(client, 'echo "go""es on"');
    client.send(frame(1, '{"paused":false}'));
    await client.shows(/goes on/);
  });

  test('is for operators and the administrator alone', async () => {
    const { demo, cookie } = await start();
    const trainee = await cookieOf(demo.url, TRAINEE);
    const admin = await cookieOf(demo.url, ADMIN);
    const socket = (own: string) => statusOf(demo.port, '/terminal/socket', { Cookie: own });
    const page = (own: string) => pageStatus(demo.port, '/terminal/', { Cookie: own, Accept: 'text/html' });
    expect([await page(cookie), await page(admin), await page(trainee), await page('')]).toEqual([
      200, 200, 403, 303,
    ]);
    expect(await socket(trainee)).toBe(403);
    expect(await socket('')).toBe(401);
    expect(demo.tunnel.stats().opened).toBe(0);
    const whoami = async (own: string) =>
      (await (await fetch(`${demo.url}/whoami`, { headers: { cookie: own } })).json()) as object;
    expect(await whoami(cookie)).toMatchObject({ hasTerminal: true });
    expect(await whoami(trainee)).toMatchObject({ hasTerminal: false });
  });

  test('ends when its user becomes a trainee', async () => {
    const { demo, open } = await start();
    const client = await open();
    const pid = await pidOf(client);
    const headers = { cookie: await cookieOf(demo.url, ADMIN) };
    const body = new URLSearchParams({ name: 'ada', role: 'trainee' });
    await fetch(`${demo.url}/roles`, { method: 'POST', body, headers, redirect: 'manual' });
    expect(await client.close()).toMatchObject({ code: 1008 });
    client.socket.destroy();
    await until(() => !isAlive(pid));
  });

  test('ends with the logout, and with it the shell', async () => {
    const { demo, cookie, open } = await start();
    const client = await open();
    const pid = await pidOf(client);
    await fetch(`${demo.url}/logout`, { method: 'POST', headers: { cookie }, redirect: 'manual' });
    expect(await client.close()).toEqual({ code: 1008, reason: 'the login has ended' });
    await until(() => !isAlive(pid));
  });

  test('exit ends the terminal with 1000', async () => {
    const { open } = await start();
    const client = await open();
    await pidOf(client);
    type(client, 'exit');
    expect(await client.close()).toMatchObject({ code: 1000 });
  });

  test('a size that comes just before the exit is no error', () => {
    const nothing = () => undefined;
    // As node-pty does after it has closed the terminal, and before it tells of the exit.
    const resize = () => {
      throw new Error('ioctl(2) failed, EBADF');
    };
    const names = ['onData', 'onExit', 'resume', 'kill'].map((name) => [name, nothing] as const);
    const stream = new PtyStream({ ...Object.fromEntries(names), resize } as unknown as IPty);
    stream.control('{"cols":70,"rows":20}');
    stream.destroy();
  });

  test('the shell does not get the secrets of the demo', async () => {
    process.env.VNC_PASSWORD = 'sesame42';
    const { open } = await start();
    const client = await open();
    delete process.env.VNC_PASSWORD;
    type(client, 'echo "secret=""$VNC_PASSWORD."');
    expect((await client.shows(/secret=(\w*)\./))[1]).toBe('');
  });

  test('is only on loopback, in one process', () => {
    for (const host of ['0.0.0.0', '::', '192.0.2.7'])
      expect(() => readArguments(['--terminal', '--host', host])).toThrow(UsageError);
    expect(readArguments(['--terminal'])?.terminal).toBe(true);
    expect(readArguments([])?.terminal).toBe(false);
  });

  test('without --terminal there is none', async () => {
    const demo = await startDemoFor({ port: 1 });
    const cookie = await cookieOf(demo.url);
    expect(await pageStatus(demo.port, '/terminal/', { Cookie: cookie })).toBe(404);
    expect(await statusOf(demo.port, '/terminal/socket', { Cookie: cookie })).toBe(404);
  });
});

describeWith('tmux')('issue 20: the terminal of the demo with tmux', () => {
  test('a shell that no page shows ends when its user becomes a trainee', async () => {
    const { demo, open } = await start();
    const admin = await cookieOf(demo.url, ADMIN);
    const client = await open();
    const pid = await pidOf(client);
    const others = await pidOf(await open('', admin));
    client.socket.destroy();
    await once(client.socket, 'close');
    const body = new URLSearchParams({ name: 'ada', role: 'trainee' });
    await fetch(`${demo.url}/roles`, {
      method: 'POST',
      body,
      headers: { cookie: admin },
      redirect: 'manual',
    });
    await until(() => !isAlive(pid));
    expect(isAlive(others)).toBe(true);
  });

  test('a page that comes back finds the shell and what it was doing', async () => {
    const { open } = await start();
    const first = await open('?cols=90&rows=30');
    const pid = await pidOf(first);
    first.socket.destroy();
    const second = await open('?cols=70&rows=25');
    expect(await pidOf(second)).toBe(pid);
    await hasSize(second, 25, 70);
  });

  test('another login of the same user has a shell of its own', async () => {
    const { demo, open } = await start();
    const here = await pidOf(await open());
    const there = await pidOf(await open('', await cookieOf(demo.url)));
    expect(there).not.toBe(here);
  });

  test('a shell without a page ends after the idle timeout', async () => {
    const { open } = await start(0.3);
    const first = await open();
    const pid = await pidOf(first);
    first.socket.destroy();
    await until(() => !isAlive(pid));
    expect(await pidOf(await open())).not.toBe(pid);
  });

  test('the end of the demo ends its shells and removes its folder', async () => {
    const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('wstunnel-demo-'));
    const before = folders();
    const { demo, open } = await start();
    const own = folders().filter((name) => !before.includes(name));
    expect(own).not.toEqual([]);
    const pid = await pidOf(await open());
    await demo.close();
    await until(() => !isAlive(pid));
    expect(folders().filter((name) => own.includes(name))).toEqual([]);
  });
});

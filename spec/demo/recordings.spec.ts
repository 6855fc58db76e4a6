import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../demo/arguments.js';
import { PUBLIC, XTERM } from '../../demo/pages.js';
import { fileRecorder } from '../../src/record/index.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, startDemoFor } from '../support/demo.js';
import { openRaw, pageStatus } from '../support/raw-client.js';
import { startBackend } from '../support/servers.js';
import { until } from '../support/wait.js';

interface Entry {
  readonly id: string;
  readonly user?: string;
  readonly state: string;
  readonly size: number;
  readonly duration: number;
  readonly reason?: string;
}

async function newFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-recordings-'));
  onCleanup(() => rm(folder, { recursive: true }));
  return folder;
}

/** A demo that records a backend of two messages, with the cookies of a user and of the administrator. */
async function startRecorded() {
  const folder = await newFolder();
  const { port } = await startBackend((socket) => {
    socket.on('end', () => socket.end());
    socket.write('RFB 003.008\n');
  });
  const demo = await startDemoFor({ port }, { record: folder });
  const logIn = async (username: string, password: string) => {
    const body = new URLSearchParams({ username, password });
    const answer = await fetch(`${demo.url}/login`, { method: 'POST', body, redirect: 'manual' });
    expect(answer.headers.get('location')).toBe('/');
    return answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
  };
  const user = await logIn('ada', 'correct horse');
  const admin = await logIn('admin', ADMIN_PASSWORD);
  const get = (path: string, cookie = admin) => fetch(`${demo.url}${path}`, { headers: { cookie } });
  const list = async () =>
    ((await (await get('/recordings/list')).json()) as { recordings: Entry[] }).recordings;
  /** A desktop that is open. */
  const open = async () => {
    const client = await openRaw(demo.port, '/vnc/websockify', { Cookie: user });
    expect((await client.payload(12)).toString()).toBe('RFB 003.008\n');
    return client;
  };
  return { demo, folder, user, admin, get, list, open };
}

describe('issue 19: the recordings of the demo', () => {
  test('a recording is listed while it is written and when it is finished', async () => {
    const { list, open } = await startRecorded();
    const client = await open();
    await until(async () => (await list())[0]?.state === 'recording');
    client.socket.destroy();
    await until(async () => (await list())[0]?.state === 'finished');
    const [entry] = await list();
    expect(entry?.user).toMatch(/^ada\/[0-9a-f]{8}$/);
    expect(entry?.size).toBeGreaterThan(100);
  });

  test('the stream is the recording as FBS, and a damaged file ends with a block without bytes', async () => {
    const { folder, get, list, open } = await startRecorded();
    (await open()).socket.destroy();
    await until(async () => (await list())[0]?.state === 'finished');
    const id = (await list())[0]?.id ?? '';
    const stream = async (name: string) =>
      Buffer.from(await (await get(`/recordings/${name}/stream`)).arrayBuffer());
    const whole = await stream(id);
    expect(whole.subarray(0, 28).toString('latin1')).toBe('FBS 001.000\n\0\0\0\x0cRFB 003.008\n');
    expect(whole).toHaveLength(32);

    const file = await readFile(join(folder, `${id}.wsrec`));
    const at = file.indexOf('RFB 003.008\n') + 12;
    // Cut in the middle of the record, and wrong after the record.
    await writeFile(join(folder, 'cut.wsrec.part'), file.subarray(0, at - 3));
    await writeFile(
      join(folder, 'wrong.wsrec.part'),
      Buffer.concat([file.subarray(0, at), Buffer.alloc(100, 7)]),
    );
    await writeFile(join(folder, 'none.wsrec'), 'hello');
    expect(await stream('cut')).toEqual(whole.subarray(0, 12));
    expect(await stream('wrong')).toEqual(Buffer.concat([whole, Buffer.alloc(8)]));
    expect((await get('/recordings/none/stream')).status).toBe(404);
    const states = Object.fromEntries((await list()).map((entry) => [entry.id, entry.state]));
    expect(states).toMatchObject({ cut: 'unfinished', wrong: 'unfinished', none: 'unreadable' });
    expect(await readdir(folder)).toHaveLength(4);
  });

  test('a stream ends after the logout, and not before', async () => {
    const { demo, folder, admin, get } = await startRecorded();
    const info = {
      id: 'x',
      url: '/',
      address: '::1',
      backend: 'b',
      since: 0,
      bytesIn: 0,
      bytesOut: 0,
      viewOnly: false,
    };
    const recorder = fileRecorder({ folder, name: () => 'long' })(info, {} as IncomingMessage);
    // More than the buffers of a connection.
    for (let ms = 0; ms < 24; ms++) recorder?.out(Buffer.alloc(2 ** 20), ms);
    await recorder?.end(info);
    const reader = (await get('/recordings/long/stream')).body!.getReader();
    await setTimeout(4000);
    expect((await reader.read()).done).toBe(false);
    await fetch(`${demo.url}/logout`, { method: 'POST', headers: { cookie: admin }, redirect: 'manual' });
    await setTimeout(4000);
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await expect(rest()).rejects.toThrow('terminated');
  });

  test('only a name in the folder is a recording: no path, no link and no other file', async () => {
    const { demo, folder, get, list } = await startRecorded();
    const outside = await newFolder();
    await writeFile(join(outside, 'secret.wsrec'), 'x');
    await symlink(join(outside, 'secret.wsrec'), join(folder, 'link.wsrec'));
    await writeFile(join(folder, 'notes.txt'), 'x');
    const name = outside.split('/').pop() ?? '';
    for (const id of [
      `..%2f${name}%2fsecret`,
      `%2e%2e%2f${name}%2fsecret`,
      encodeURIComponent(join(outside, 'secret')),
      'link',
      'notes.txt',
      '.',
      '%00',
      '__proto__',
    ])
      for (const part of ['', '/info', '/stream'])
        expect((await get(`/recordings/${id}x${part}`)).status, id).toBe(404);
    for (const id of [`..%2f${name}%2fsecret`, 'link', 'notes.txt', 'notes'])
      expect((await get(`/recordings/${id}/stream`)).status, id).toBe(404);
    expect((await get('/recordings/%ff/stream')).status).toBe(400);
    expect(await list()).toEqual([]);
    expect(await pageStatus(demo.port, '/recordings/list')).toBe(401);
  });

  test('a user gets 403, as JSON for scripts and for posts to the admin page', async () => {
    const { demo, user, get } = await startRecorded();
    for (const path of [
      '/recordings/list',
      '/recordings/x/stream',
      '/admin/state',
      '/admin/events',
      '/admin/page.js',
    ])
      expect((await get(path, user)).status, path).toBe(403);
    const post = {
      method: 'POST',
      headers: { cookie: user, 'content-type': 'application/json' },
      body: '{"user":"x"}',
    };
    expect((await fetch(`${demo.url}/admin/end`, post)).status).toBe(403);
    expect((await get('/admin/state')).status).toBe(200);
  });

  test('the page learns whether the desktop is recorded, and who is the administrator', async () => {
    const { get, user } = await startRecorded();
    expect(await (await get('/whoami', user)).json()).toMatchObject({ isAdmin: false, isRecorded: true });
    expect(await (await get('/whoami')).json()).toMatchObject({ isAdmin: true, isRecorded: true });
  });
});

describe('issue 19: --record and --admin-password', () => {
  test('the folder is created, for this user only', async () => {
    const folder = join(await newFolder(), 'new', 'recordings');
    expect(readArguments(['--record', folder])?.record).toBe(folder);
    expect(readArguments([])?.record).toBeUndefined();
  });

  test.each([
    ['a folder that the demo serves', ['--record', join(PUBLIC, 'recordings')], /serves/],
    ['a folder that --terminal serves', ['--record', join(XTERM, 'recordings')], /serves/],
    ['no folder', ['--record='], /must not be empty/],
    ['a file', ['--record', import.meta.filename], /cannot write to/],
    ['the name of the administrator for the user', ['--user', 'admin'], /--user admin/],
    ['an empty password of the administrator', ['--admin-password='], /--admin-password must not be empty/],
    [
      'a short one for other machines',
      ['--host', '0.0.0.0', '--admin-password', 'short'],
      /--admin-password of at least 8/,
    ],
  ])('%s is refused', (_name, args, message) => {
    expect(() => readArguments(args)).toThrow(UsageError);
    expect(() => readArguments(args)).toThrow(message);
    expect(existsSync(join(PUBLIC, 'recordings'))).toBe(false);
  });

  test('the password of the administrator is another one each time', () => {
    const passwords = Array.from({ length: 20 }, () => readArguments([])?.adminPassword);
    expect(new Set(passwords).size).toBe(20);
  });
});

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readArguments, UsageError } from '../../demo/arguments.js';
import { startDesktop } from '../../demo/desktop/index.js';
import { onCleanup } from '../support/cleanup.js';
import { ADMIN_PASSWORD, cookieOf, startDemoFor, TRAINEE_PASSWORD } from '../support/demo.js';
import { DemoViewer } from '../support/demo-viewer.js';
import { openRaw } from '../support/raw-client.js';
import { startRecorder } from '../support/rfb-recorder.js';
import { holds, until } from '../support/wait.js';

const ADMIN = ['admin', ADMIN_PASSWORD] as const;
const TRAINEE = ['trainee', TRAINEE_PASSWORD] as const;

/** A demo with the messages that reach its desktop, and the cookies of the three accounts. */
async function startRecorded() {
  const desktop = await startDesktop();
  onCleanup(() => desktop.close());
  const recorder = await startRecorder(desktop);
  const demo = await startDemoFor({ port: recorder.port });
  const [operator, trainee, admin] = await Promise.all(
    [undefined, TRAINEE, ADMIN].map((login) => cookieOf(demo.url, login)),
  );
  const get = (path: string, cookie = '') =>
    fetch(`${demo.url}${path}`, { headers: { cookie, accept: 'text/html' }, redirect: 'manual' });
  const whoami = async (cookie = '') =>
    (await (await get('/whoami', cookie)).json()) as Record<string, unknown>;
  const change = async (name: string, role: string, cookie = admin ?? '') => {
    const body = new URLSearchParams({ name, role });
    return (
      await fetch(`${demo.url}/roles`, { method: 'POST', body, headers: { cookie }, redirect: 'manual' })
    ).status;
  };
  const open = (cookie = '') => DemoViewer.open(demo.port, cookie);
  return { demo, recorder, desktop, operator, trainee, admin, get, whoami, change, open };
}

describe('issue 20: the roles of the demo', () => {
  test('an operator types, and keys, pointer and clipboard of a trainee never reach the same desktop', async () => {
    const { recorder, desktop, operator, trainee, open } = await startRecorded();
    const watcher = await open(trainee);
    const typist = await open(operator);
    expect(desktop.viewers).toBe(2);
    watcher.press(0x78);
    watcher.point(300, 300, 1);
    watcher.cutText('text of the trainee');
    await watcher.update();
    expect(recorder.keys).toEqual([]);
    expect(recorder.pointers).toEqual([]);
    typist.press(0x79);
    typist.point(200, 200, 0);
    await holds(() => {
      expect(recorder.keys).toEqual(['+79', '-79']);
      expect(recorder.pointers).toEqual([{ buttons: 0, x: 200, y: 200 }]);
    });
  });

  test('the page learns the role of its user', async () => {
    const { operator, trainee, admin, whoami } = await startRecorded();
    expect(await whoami(operator)).toMatchObject({ role: 'operator', viewOnly: false, isAdmin: false });
    expect(await whoami(trainee)).toMatchObject({ role: 'trainee', viewOnly: true, isAdmin: false });
    expect(await whoami(admin)).toMatchObject({ role: 'administrator', viewOnly: false, isAdmin: true });
  });

  test('a change of the role ends the open desktop, and the next one has the new role', async () => {
    const { demo, recorder, operator, trainee, open, change, whoami } = await startRecorded();
    const causes: string[] = [];
    demo.tunnel.on('close', ({ cause }) => causes.push(cause));
    const typist = await open(operator);
    const watcher = await open(trainee);
    expect(await change('ada', 'trainee')).toBe(303);
    const close = await typist.close();
    expect(close?.code).toBe(1008);
    expect(close?.reason).toMatch(/rights\b.*\bchanged/);
    await until(() => causes.length > 0);
    expect(causes).toEqual(['rights-changed']);
    expect(await whoami(operator)).toMatchObject({ role: 'trainee', viewOnly: true });
    const again = await open(operator);
    again.press(0x78);
    await again.update();
    expect(recorder.keys).toEqual([]);
    // The desktop of another account stays open.
    await watcher.update();
    expect(demo.tunnel.stats().open).toBe(2);

    expect(await change('ada', 'operator')).toBe(303);
    expect(await again.close()).toMatchObject({ code: 1008 });
    const typing = await open(operator);
    typing.press(0x79);
    await holds(() => expect(recorder.keys).toEqual(['+79', '-79']));
  });

  test('only the administrator changes roles, and not the own one', async () => {
    const { operator, trainee, get, change, whoami } = await startRecorded();
    for (const cookie of [operator, trainee]) {
      expect((await get('/roles', cookie)).status).toBe(403);
      expect(await change('trainee', 'operator', cookie)).toBe(403);
    }
    expect(await change('trainee', 'operator', 'none=1')).toBe(401);
    expect((await get('/roles')).headers.get('location')).toBe('/login');
    for (const [name, role] of [
      ['admin', 'trainee'],
      ['ada', 'administrator'],
      ['ada', 'root'],
      ['nobody', 'trainee'],
      ['__proto__', 'trainee'],
    ] as const)
      expect(await change(name, role), `${name} ${role}`).toBe(400);
    expect(await whoami(trainee)).toMatchObject({ role: 'trainee' });
  });

  test('pages of other origins change no role, log nobody out, and log nobody in', async () => {
    const { demo, operator, admin, get, whoami } = await startRecorded();
    const post = async (path: string, cookie = '', headers: Record<string, string> = {}) => {
      const body = new URLSearchParams({ name: 'trainee', role: 'operator', username: 'ada', password: 'x' });
      const init = { method: 'POST', body, headers: { cookie, ...headers }, redirect: 'manual' } as const;
      return (await fetch(`${demo.url}${path}`, init)).status;
    };
    // Another port is the same site, so that the cookie is sent.
    for (const headers of [
      { 'sec-fetch-site': 'same-site', origin: 'http://127.0.0.1:9' },
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'http://127.0.0.1:9' },
      { origin: 'null' },
    ] as Record<string, string>[]) {
      expect(await post('/roles', admin, headers)).toBe(403);
      expect(await post('/logout', operator, headers)).toBe(403);
      expect(await post('/login', '', headers)).toBe(403);
    }
    expect(await whoami(operator)).toMatchObject({ role: 'operator' });
    expect(await (await get('/logins')).text()).toContain('"name":"trainee","role":"trainee"');
    for (const headers of [{ origin: demo.url }, { 'sec-fetch-site': 'same-origin', origin: 'null' }])
      expect(await post('/roles', admin, headers as Record<string, string>)).toBe(303);
    // Where browsers send no Sec-Fetch-Site, a form must have an Origin other than "null".
    expect((await get('/login')).headers.get('referrer-policy')).toBe('same-origin');
  });

  test('an unknown page is a page with a way back, and unknown data is the 404 of Express', async () => {
    const { demo, get, operator } = await startRecorded();
    for (const [path, cookie] of [['/no-such-page'], ['/terminal/', operator]] as const) {
      const answer = await get(path, cookie);
      expect(answer.status).toBe(404);
      expect(await answer.text()).toContain('href="/"');
    }
    const data = await fetch(`${demo.url}/no-such-data`, { headers: { accept: 'application/json' } });
    expect(data.status).toBe(404);
    expect(await data.text()).toContain('Cannot GET /no-such-data');
  });

  test('the login page names the three logins', async () => {
    const { get } = await startRecorded();
    expect(await (await get('/logins')).json()).toEqual([
      { name: 'ada', role: 'operator', canChange: true },
      { name: 'trainee', role: 'trainee', canChange: true },
      { name: 'admin', role: 'administrator', canChange: false },
    ]);
  });
});

describe('issue 20: the VNC password that only the server knows', () => {
  test('the page is offered a login without a password, and never gets the password', async () => {
    const desktop = await startDesktop({ password: 'sesame42' });
    onCleanup(() => desktop.close());
    const demo = await startDemoFor({ port: desktop.port }, { vncPassword: 'sesame42' });
    for (const login of [undefined, TRAINEE]) {
      const cookie = await cookieOf(demo.url, login);
      const viewer = await DemoViewer.open(demo.port, cookie);
      expect(viewer.types).toEqual([1]);
      await viewer.update();
      expect(viewer.received.includes('sesame42')).toBe(false);
      const whoami = await (await fetch(`${demo.url}/whoami`, { headers: { cookie } })).text();
      expect(whoami).toContain('"knowsPassword":true');
      expect(whoami).not.toContain('sesame42');
    }
  });

  test('a wrong password is a refusal with its reason for the page', async () => {
    const desktop = await startDesktop({ password: 'sesame42' });
    onCleanup(() => desktop.close());
    const demo = await startDemoFor({ port: desktop.port }, { vncPassword: 'wrong' });
    const client = await openRaw(demo.port, '/vnc/websockify', { Cookie: await cookieOf(demo.url) });
    const close = await client.close();
    expect(close?.code).toBe(4502);
    expect(close?.reason).toMatch(/VNC server rejected the password/);
    expect(demo.tunnel.stats().refused).toEqual({ WSTUNNEL_VNC_REFUSED: 1 });
  });

  test('the password of --vnc comes from a file or a variable, not from an argument', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'wstunnel-spec-'));
    onCleanup(() => rm(folder, { recursive: true }));
    const file = join(folder, 'password');
    await writeFile(file, 'from the file\n');
    process.env.VNC_PASSWORD = 'from the variable';
    onCleanup(() => delete process.env.VNC_PASSWORD);
    expect(readArguments(['--vnc', '5900'])?.vncPassword).toBe('from the variable');
    expect(readArguments(['--vnc', '5900', '--vnc-password-file', file])?.vncPassword).toBe('from the file');
    // The embedded desktop has a password of its own.
    expect(readArguments([])?.vncPassword).toBeUndefined();
    await writeFile(file, '\n');
    for (const args of [
      ['--vnc', '5900', '--vnc-password-file', file],
      ['--vnc', '5900', '--vnc-password-file', join(folder, 'missing')],
      ['--vnc-password-file', file],
    ])
      expect(() => readArguments(args), args.join(' ')).toThrow(UsageError);
    delete process.env.VNC_PASSWORD;
    expect(readArguments(['--vnc', '5900'])?.vncPassword).toBeUndefined();
  });

  test('the names of the accounts are different', () => {
    for (const name of ['admin', 'trainee'])
      expect(() => readArguments(['--user', name])).toThrow(/another account has this name/);
  });
});

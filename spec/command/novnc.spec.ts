import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { files, runCommand, startCommand } from '../support/command.js';

const OLD = '<script type="module" src="app/ui.js"></script>';
const NEW = "<script type='module'>await fetch('./defaults.json')</script>";
const AUTOMATIC = { resize: 'scale', path: 'websockify', autoconnect: true, reconnect: true };

/** A folder that looks like noVNC's. */
async function noVnc(page: string, more: Record<string, string> = {}): Promise<string> {
  const { folder = '' } = await files({ 'vnc.html': page, ...more });
  await mkdir(join(folder, 'app'));
  await writeFile(join(folder, 'app/ui.js'), '');
  return folder;
}

async function jsonOf(url: string, name: string): Promise<unknown> {
  const answer = await fetch(`${url}${name}.json`);
  expect(answer.headers.get('cache-control')).toBe('no-cache');
  expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
  return answer.json();
}

test('noVNC gets settings that fit the options, from --novnc and from JSON', async () => {
  const folder = await noVnc(NEW, { 'd.json': '' });
  const json = join(folder, 'd.json');
  const settings = { resize: 'off', view_only: true, quality: 3 };
  await writeFile(json, JSON.stringify({ listen: 0, server: '1', url: '/vnc', web: '.', novnc: settings }));
  const { url } = await startCommand(['--config', json, '--novnc', 'resize=remote']);
  expect(await jsonOf(url, 'defaults')).toEqual({ ...AUTOMATIC, path: 'vnc', resize: 'remote', quality: 3 });
  expect(await jsonOf(url, 'mandatory')).toEqual({ view_only: true });
  expect(await (await fetch(url)).text()).toBe(NEW);
  expect((await fetch(`${url}defaults.json`, { method: 'HEAD' })).status).toBe(200);
  expect((await fetch(`${url}defaults.json`, { method: 'POST' })).status).toBe(404);
});

test("--novnc wins over the operator's files, and the files win over automatic settings", async () => {
  const folder = await noVnc(NEW, { 'defaults.json': '\uFEFF{ "reconnect": false, "quality": 1 }' });
  await writeFile(join(folder, 'mandatory.json'), '{ "shared": false, "view_only": false }');
  const own = ['--novnc', 'quality=9', '--novnc', 'view_only=true'];
  const { url } = await startCommand(['0', '1', '--web', folder, ...own]);
  expect(await jsonOf(url, 'defaults')).toEqual({ ...AUTOMATIC, reconnect: false, quality: 9 });
  expect(await jsonOf(url, 'mandatory')).toEqual({ shared: false, view_only: true });
  // A change of a file applies at once.
  await writeFile(join(folder, 'defaults.json'), '{}');
  expect(await jsonOf(url, 'defaults')).toEqual({ ...AUTOMATIC, quality: 9 });
});

test.each([
  ['invalid JSON', '{ "path": '],
  ['a list', '[]'],
  ['null', 'null'],
  ['too large', `{ "path": "${'x'.repeat(70_000)}" }`],
])("the operator's settings file is served unchanged if it is %s", async (_what, text) => {
  const folder = await noVnc(NEW, { 'defaults.json': text });
  const { url } = await startCommand(['0', '1', '--web', folder]);
  expect(await (await fetch(`${url}defaults.json`)).text()).toBe(text);
});

test('a link out of the folder in place of a settings file is not read', async () => {
  const { secret } = await files({ secret: '{ "secret": true }' });
  const folder = await noVnc(NEW);
  await symlink(secret!, join(folder, 'defaults.json'));
  const { url } = await startCommand(['0', '1', '--web', folder]);
  expect(await jsonOf(url, 'defaults')).toEqual(AUTOMATIC);
});

test("noVNC before 1.6 gets the settings, also of the operator's files, by the page at /", async () => {
  const folder = await noVnc(OLD, { 'mandatory.json': '{ "shared": false }' });
  const { url } = await startCommand(['0', '1', '--web', folder, '--novnc', 'view_only=true']);
  const settingsOf = async () => {
    const answer = await fetch(url);
    expect(answer.headers.get('cache-control')).toBe('no-cache');
    const [, text = ''] = /id="settings">(.*)<\/script>/.exec(await answer.text()) ?? [];
    return JSON.parse(text) as unknown;
  };
  const mandatory = { shared: false, view_only: true };
  expect(await settingsOf()).toEqual({ defaults: AUTOMATIC, mandatory });
  expect(await (await fetch(`${url}vnc.html`)).text()).toBe(OLD);
  // An upgrade of noVNC while the command runs.
  await writeFile(join(folder, 'vnc.html'), NEW);
  expect(await (await fetch(url)).text()).toBe(NEW);
  await writeFile(join(folder, 'vnc.html'), OLD);
  await writeFile(join(folder, 'index.html'), 'own');
  expect(await (await fetch(url)).text()).toBe('own');
});

test('a folder without noVNC gets neither settings nor another page', async () => {
  const folder = await noVnc(OLD);
  await rm(join(folder, 'app/ui.js'));
  const { url } = await startCommand(['0', '1', '--web', folder]);
  expect((await fetch(`${url}defaults.json`)).status).toBe(404);
  expect(await (await fetch(url)).text()).toBe(OLD);
  const run = await runCommand(['0', '1', '--web', folder, '--novnc', 'resize=off']);
  expect(run).toMatchObject({ code: 3, stderr: expect.stringContaining('does not contain noVNC') as string });
  const check = await runCommand(['0', '1', '--check-config', '--web', folder, '--novnc', 'resize=off']);
  expect(check).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('does not contain noVNC') as string,
  });
  const none = await runCommand(['0', '1', '--novnc', 'resize=off']);
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('--novnc needs --web') as string });
});

test('the message at the start has the link, unless the listen address is the link', async () => {
  const folder = await noVnc(OLD);
  const { tokens } = await files({ tokens: 'desk: 127.0.0.1:1\n' });
  const linkOf = async (...args: string[]) => {
    const { program, url } = await startCommand(['--web', folder, ...args]);
    await program.prints(/reachable.*\n[^]*/);
    expect((await fetch(url)).status).toBe(200);
    return /noVNC: (.*)/.exec(program.output)?.[1]?.replace(url, '/').replace(/:\d+/, ':0');
  };
  const withTokens = ['--listen', '0', '--tokens', tokens!];
  expect(await linkOf('0', '1')).toBeUndefined();
  expect(await linkOf(...withTokens)).toBe('/#autoconnect=true&path=websockify?token=TOKEN');
  const from = (place: string) => [...withTokens, '--token-from', place];
  expect(await linkOf(...from('path'))).toBe('/#autoconnect=true&path=websockify/TOKEN');
  expect(await linkOf(...from('path'), '--novnc', 'path=a/?b=c')).toBe('/#autoconnect=true&path=a/TOKEN?b=c');
  for (const place of ['cookie', 'host', 'subprotocol']) expect(await linkOf(...from(place))).toBeUndefined();
  const path = 'path=b?é=\u{1f600}';
  expect(await linkOf(...withTokens, '--novnc', path)).toBe(
    '/#autoconnect=true&path=b?%C3%A9=%F0%9F%98%80%26token=TOKEN',
  );
  expect(await linkOf(':0', '1')).toBe('http://localhost:0/');
  expect(await linkOf('0.0.0.0:0', '1', '--name', 'desk.example')).toBe('http://desk.example:0/');
  await writeFile(join(folder, 'index.html'), 'own');
  const all = '#resize=scale&path=a/vnc&autoconnect=true&reconnect=true';
  expect(await linkOf('0', '1', '--url', '/a/vnc')).toBe(`/vnc.html${all}`);
  await writeFile(join(folder, 'vnc.html'), NEW);
  expect(await linkOf('0', '1')).toBe('/vnc.html');
});

test('pages send no Referer, except with a lighttpd.conf, where the headers are lighttpd’s', async () => {
  const folder = await noVnc(NEW, { 'l.conf': '' });
  const policy = async (...args: string[]) =>
    (await fetch((await startCommand(args)).url)).headers.get('referrer-policy');
  expect(await policy('0', '1', '--web', folder)).toBe('no-referrer');
  const conf = join(folder, 'l.conf');
  await writeFile(conf, 'wstunnel.server = ( "/t" => ( ( "host" => "127.0.0.1", "port" => 1 ) ) )');
  expect(await policy('--config', conf, '--listen', '0')).toBeNull();
});

test('a folder without a page is reported at the start, and the npm package of noVNC by its name', async () => {
  const { folder = '' } = await files({ 'rfb.js': '' });
  const check = async (web: string) => (await runCommand(['0', '1', '--check-config', '--web', web])).stderr;
  expect(await check(folder)).toContain(
    `warning: no index.html or vnc.html in ${folder}: / is answered with 404`,
  );
  expect(await check(folder)).not.toContain('@novnc');
  await writeFile(join(folder, 'package.json'), '{ "name": "@novnc/novnc" }');
  expect(await check(folder)).toContain('the npm package @novnc/novnc has no page');
  const { program, url } = await startCommand(['0', '1', '--web', folder]);
  await program.prints(/warning: no index\.html or vnc\.html/);
  expect((await fetch(url)).status).toBe(404);
  await writeFile(join(folder, 'other.html'), '');
  expect(await check(folder)).not.toContain('404');
});

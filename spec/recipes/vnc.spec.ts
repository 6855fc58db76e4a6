import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VNC_SERVERS } from '../browser/vnc-servers.js';
import { describeWith } from '../support/programs.js';
import { frame, openRaw, type RawClient, statusOf } from '../support/raw-client.js';
import { temporaryFolder } from '../support/spawned.js';
import { sleep, until } from '../support/wait.js';
import { logIn, request } from './recipe.js';
import { startRecipe, type Site } from './start.js';

const VERSION = 'RFB 003.008\n';
const SECRET = 'of desk1';

/** Logs in as a page without a password, and moves the pointer over the terminal, which gives the keys to it. */
async function openDesktop(site: Site, cookie: { Cookie: string }): Promise<RawClient> {
  const client = await openRaw(site.dial(), '/vnc', cookie);
  expect((await client.payload(12)).toString()).toBe(VERSION);
  client.send(frame(2, VERSION));
  expect([...(await client.payload(2))]).toEqual([1, 1]);
  client.send(frame(2, Buffer.from([1])));
  expect([...(await client.payload(4))]).toEqual([0, 0, 0, 0]);
  client.send(frame(2, Buffer.from([1])));
  await client.payload(24);
  return client.send(frame(2, Buffer.from([5, 0, 0, 100, 0, 100])));
}

/** KeyEvent (RFC 6143 section 7.5.4), down and up, for each character and Return. */
function keys(line: string): Buffer {
  const symbols = [...Array.from(line, (one) => one.charCodeAt(0)), 0xff0d];
  return Buffer.concat(
    symbols.flatMap((symbol) =>
      [1, 0].map((down) => Buffer.from([4, down, 0, 0, 0, 0, symbol >> 8, symbol & 255])),
    ),
  );
}

const server = VNC_SERVERS.find(({ name }) => name === 'TigerVNC with VncAuth')!;

describeWith(...server.programs)('vnc-password', () => {
  test('the operator types, the trainee watches, and a changed role ends the tunnel', async () => {
    const desktop = await server.start(SECRET);
    const file = join(await temporaryFolder(), 'vnc.password');
    await writeFile(file, `${SECRET}\n`, { mode: 0o600 });
    const site = await startRecipe('vnc-password.mjs', {
      VNC_PORT: String(desktop.host.port),
      VNC_PASSWORD_FILE: file,
      REVALIDATE: '0.3',
    });
    expect(await statusOf(site.dial(), '/vnc')).toBe(401);
    const [ann, bob] = [await logIn(site.dial()), await logIn(site.dial(), 'bob')];
    const watching = await openDesktop(site, bob);
    const typing = await openDesktop(site, ann);
    watching.send(frame(2, keys('echo bob >>$P')));
    // The shell may start after the first keys.
    await until(async () => {
      if ((await desktop.written()) === '') typing.send(frame(2, keys('echo ann >$P')));
      await sleep(500);
      return (await desktop.written()) !== '';
    });
    expect(await desktop.written()).toBe('ann\n');

    const role = (cookie: object, body: string) =>
      request(site.dial(), 'POST', '/role', { ...cookie, ...FORM }, body);
    expect((await role(bob, 'name=bob&role=operator')).status).toBe(403);
    expect((await role(ann, 'name=bob&role=root')).status).toBe(400);
    expect((await role(ann, 'name=bob&role=operator')).status).toBe(204);
    expect(await watching.close()).toMatchObject({ code: 1008 });
    watching.socket.destroy();
    const again = await openDesktop(site, bob);
    again.send(frame(2, keys('echo bob >>$P')));
    await until(async () => (await desktop.written()).endsWith('ann\nbob\n'));
    // The operator's tunnel is still open.
    typing.send(frame(2, keys('echo ann >>$P')));
    await until(async () => (await desktop.written()).endsWith('bob\nann\n'));
    expect(site.program.output).not.toContain(SECRET);
  });
});

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

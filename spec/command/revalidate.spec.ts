import { rename, rm, writeFile } from 'node:fs/promises';
import { hashSync } from 'bcryptjs';
import { describe, expect, test } from 'vitest';
import { files, runCommand, startCommand, type Listening } from '../support/command.js';
import { echoes, handshake, openRaw, RawClient, statusOf } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const basic = (user: string, password: string) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});

/** Seconds between two checks of a test. */
const EVERY = '0.2';
const ENDED = { code: 1008, reason: 'the login has ended' };

async function reread({ program }: Listening): Promise<void> {
  const before = program.output.length;
  program.process.kill('SIGHUP');
  await until(() => /settings (were|stay)/.test(program.output.slice(before)));
  expect(program.output.slice(before)).toContain('were reloaded');
}

/** Long enough for some checks of every tunnel. */
const someChecks = () => new Promise((resolve) => setTimeout(resolve, 1000));

async function start(args: readonly string[], env = {}): Promise<Listening> {
  const { port } = await startEcho();
  const target = args.includes('--tokens') ? [] : [String(port)];
  return startCommand(['--listen', '0', ...target, '--revalidate', EVERY, '--log', '-', ...args], env);
}

/** The events of tunnels and logins so far. */
function eventsOf({ program }: Listening): Record<string, unknown>[] {
  return [...program.output.matchAll(/^\{.*\}$/gm)].map(
    ([line]) => JSON.parse(line) as Record<string, unknown>,
  );
}

describe('issue 16: --revalidate and --auth', () => {
  const lines = (...logins: string[][]) =>
    logins.map(([name, password]) => `${name}:${hashSync(password!, 4)}\n`).join('');

  test('a user who is removed loses open tunnels after SIGHUP, and the others keep theirs', async () => {
    const kept = lines(['bob', 'two']);
    const { users } = await files({ users: lines(['ann', 'one']) + kept });
    const command = await start(['--auth', users!]);
    const ann = await openRaw(command.port, '/', basic('ann', 'one'));
    const bob = await openRaw(command.port, '/', basic('bob', 'two'));
    await someChecks();
    await echoes(ann);
    await writeFile(users!, kept);
    await someChecks();
    await echoes(ann);
    await reread(command);
    expect(await ann.close()).toEqual(ENDED);
    ann.socket.destroy();
    await someChecks();
    await echoes(bob);
    await until(() => eventsOf(command).some(({ event }) => event === 'close'));
    const closed = eventsOf(command).filter(({ event }) => event === 'close');
    expect(closed).toMatchObject([{ user: 'ann', cause: 'login-ended', code: 1008 }]);
  });

  test('a user with another password loses open tunnels, and no check is a failed login', async () => {
    const { users, eve } = await files({ users: lines(['ann', 'one'], ['bob', 'two']), eve: 'three\n' });
    const command = await start(['--auth', users!, '--auth', `eve:${eve}`, '--verbose']);
    const logins = [basic('ann', 'one'), basic('bob', 'two'), basic('eve', 'three')];
    const [ann, bob, other] = (await Promise.all(
      logins.map((login) => openRaw(command.port, '/', login)),
    )) as [RawClient, RawClient, RawClient];
    // The same password under a new hash is the same login.
    await writeFile(users!, lines(['ann', 'new'], ['bob', 'two']));
    await writeFile(eve!, 'new\n');
    await reread(command);
    expect(await ann.close()).toEqual(ENDED);
    expect(await other.close()).toEqual(ENDED);
    await someChecks();
    await echoes(bob);
    expect(eventsOf(command).filter(({ event }) => /^logins?$/.test(String(event)))).toEqual([]);
    expect(command.program.output).not.toMatch(/^login /m);
    // Ten checks with a wrong password would have slowed down this address.
    expect(await statusOf(command.port, '/', basic('ann', 'new'))).toBe(101);
  });

  test('a cookie in place of the password ends with the password', async () => {
    const { secret } = await files({ secret: 'right\n' });
    const web = await files({ 'index.html': 'desk' });
    const command = await start(['--auth', `ann:${secret}`, '--web', web.folder!]);
    const page = await fetch(command.url, { headers: basic('ann', 'right') });
    const Cookie = page.headers.get('set-cookie')!.split(';')[0]!;
    const tunnel = await openRaw(command.port, '/websockify', { Cookie });
    await reread(command);
    await someChecks();
    await echoes(tunnel);
    await writeFile(secret!, 'new\n');
    await reread(command);
    expect(await tunnel.close()).toEqual(ENDED);
  });

  test('without the option, open tunnels outlive a changed password', async () => {
    const { secret } = await files({ secret: 'right\n' });
    const { port } = await startEcho();
    const command = await startCommand(['0', String(port), '--auth', `ann:${secret}`]);
    const tunnel = await openRaw(command.port, '/', basic('ann', 'right'));
    await writeFile(secret!, 'new\n');
    await reread(command);
    await someChecks();
    await echoes(tunnel);
  });

  test('works in every worker', async () => {
    const { secret } = await files({ secret: 'right\n' });
    const command = await start(['--auth', `ann:${secret}`, '--workers', '2', '--drain', '1']);
    const workerOf = (count: number) =>
      eventsOf(command).filter(({ event }) => event === 'open')[count]?.worker;
    const tunnels: RawClient[] = [];
    const workers = new Set<unknown>();
    for (let count = 0; workers.size < 2 && count < 200; count++) {
      tunnels.push(await openRaw(command.port, '/', basic('ann', 'right')));
      await until(() => workerOf(count) !== undefined);
      workers.add(workerOf(count));
    }
    expect(workers.size).toBe(2);
    await writeFile(secret!, 'new\n');
    await reread(command);
    for (const tunnel of tunnels) expect(await tunnel.close()).toEqual(ENDED);
  });

  test('an address that a reload refuses loses its tunnels', async () => {
    const { port } = await startEcho();
    const config = (more: object) =>
      JSON.stringify({ listen: '0', server: { port }, revalidate: { every: 0.2, touch: 'never' }, ...more });
    const { desk } = await files({ desk: config({}) });
    const command = await startCommand(['--config', desk!]);
    const tunnel = await openRaw(command.port);
    await someChecks();
    await echoes(tunnel);
    await writeFile(desk!, config({ deny: ['127.0.0.1'] }));
    await reread(command);
    expect(await tunnel.close()).toEqual(ENDED);
  });
});

test('issue 16: a check has the client address of the PROXY header', async () => {
  const command = await start(['--accept-proxy', '--allow', '192.0.2.1']);
  const client = new RawClient(command.port).send('PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n', handshake('/'));
  expect((await client.answer()).status).toBe(101);
  await someChecks();
  await echoes(client);
});

describe('issue 16: --revalidate and --tokens', () => {
  test('a tunnel ends when its token is removed, without SIGHUP', async () => {
    const { port } = await startEcho();
    const { tokens } = await files({ tokens: `one: 127.0.0.1:${port}\ntwo: 127.0.0.1:${port}\n` });
    const command = await start(['--tokens', tokens!]);
    const one = await openRaw(command.port, '/?token=one');
    const two = await openRaw(command.port, '/?token=two');
    await someChecks();
    await echoes(one);
    await writeFile(tokens!, `two: 127.0.0.1:${port}\n`);
    expect(await one.close()).toEqual(ENDED);
    await someChecks();
    await echoes(two);
  });

  test('a file that is replaced in two steps ends no tunnel', async () => {
    const { port } = await startEcho();
    const { tokens, next } = await files({
      tokens: `one: 127.0.0.1:${port}\n`,
      next: `# new\none: 127.0.0.1:${port}\n`,
    });
    const command = await start(['--tokens', tokens!]);
    const one = await openRaw(command.port, '/?token=one');
    await rm(tokens!);
    await new Promise((resolve) => setTimeout(resolve, 300));
    await rename(next!, tokens!);
    await someChecks();
    await echoes(one);
  });
});

describe('issue 16: the value of --revalidate', () => {
  test.each([['never'], ['0.01'], ['100000']])('%s is an error', async (value) => {
    const { code, stderr } = await runCommand(['0', '5900', '--revalidate', value]);
    expect(code).toBe(2);
    expect(stderr).toContain('--revalidate must be');
  });

  test('may be combined with a lighttpd.conf, whose tunnels are then checked', async () => {
    const { port } = await startEcho();
    const { secret, conf } = await files({
      secret: 'right\n',
      conf: `server.modules = ("mod_wstunnel")\nserver.port = 0\nserver.bind = "127.0.0.1"
        wstunnel.server = ( "" => (( "host" => "127.0.0.1", "port" => ${port} )) )\n`,
    });
    const args = ['--listen', '0', '--config', conf!, '--auth', `ann:${secret}`, '--revalidate', EVERY];
    const command = await startCommand(args);
    const tunnel = await openRaw(command.port, '/', basic('ann', 'right'));
    await writeFile(secret!, 'new\n');
    await reread(command);
    expect(await tunnel.close()).toEqual(ENDED);
  });
});

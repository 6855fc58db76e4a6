import { execFileSync } from 'node:child_process';
import { userInfo } from 'node:os';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { describeWith } from '../support/programs.js';
import { closeFrame, frame, openRaw, requestTunnel, type RawClient } from '../support/raw-client.js';
import { processesWith } from '../support/spawned.js';
import { startSshd } from '../support/sshd.js';
import { until } from '../support/wait.js';
import { logIn } from './recipe.js';
import { startRecipe } from './start.js';

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wstunnel-terminal-'));
  onCleanup(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Starts the recipe with shells of their own home folder: no rc file of the developer is read. */
async function startTerminals(env: Record<string, string> = { TMUX: 'no' }) {
  const HOME = folder();
  const site = await startRecipe('node-pty.mjs', { HOME, SHELL: '/bin/bash', ...env });
  return { ...site, HOME };
}

const size = (cols: unknown, rows: unknown) => frame(1, JSON.stringify({ cols, rows }));
const type = (text: string) => frame(2, text);

/** Asks the shell for its terminal's size, until the answer is this one. */
async function hasSize(client: RawClient, rows: number, cols: number): Promise<void> {
  client.send(
    type(`until [ "$(stty size)" = "${rows} ${cols}" ]; do sleep 0.05; done; echo size-$(stty size)-\n`),
  );
  await client.shows(new RegExp(`size-${rows} ${cols}-`));
}

test('node-pty: a shell with the size of the query, behind the login', async () => {
  const { dial } = await startTerminals();
  expect((await requestTunnel(dial(), '/shell').answer()).status).toBe(401);
  const client = await openRaw(dial(), '/shell?cols=100&rows=30', await logIn(dial()));
  await hasSize(client, 30, 100);
  client.send(type('echo "<$WEB_USER $TERM [$PASSWORD$SESSION_SECRET]>"; exit\n'));
  await client.shows(/<ann xterm-256color \[\]>/);
  expect(await client.close()).toMatchObject({ code: 1000 });
});

test('node-pty: control messages resize the terminal, and wrong ones change nothing', async () => {
  const { dial } = await startTerminals();
  const client = await openRaw(dial(), '/shell?cols=0&rows=x', await logIn(dial()));
  await hasSize(client, 24, 80);
  client.send(size(132, 43));
  await hasSize(client, 43, 132);
  const wrong = [
    '',
    'null',
    '[]',
    '{',
    '{"cols":1e9,"rows":1}',
    '{"cols":-1,"rows":5}',
    '{"cols":"9","rows":9}',
  ];
  client.send(...wrong.map((text) => frame(1, text)));
  client.send(...Array.from({ length: 2000 }, (_, i) => size(81 + (i % 10), 25)), size(90, 30));
  await hasSize(client, 30, 90);
});

test('node-pty: the shell and its programs end with the tunnel', async () => {
  const { dial, HOME, program } = await startTerminals();
  const cookie = await logIn(dial());
  for (const leave of ['destroy', 'close'] as const) {
    const client = await openRaw(dial(), '/shell', cookie);
    client.send(type('sleep 300 & echo up-$((6*7))\n'));
    await client.shows(/up-42/);
    // The recipe itself, the shell, and sleep.
    expect(processesWith(`HOME=${HOME}`).length).toBe(3);
    if (leave === 'destroy') client.socket.destroy();
    else client.send(closeFrame(1000));
    await until(() => processesWith(`HOME=${HOME}`).length === 1);
  }
  const client = await openRaw(dial(), '/shell', cookie);
  client.send(type('echo up-$((6*7))\n'));
  await client.shows(/up-42/);
  await program.stop();
  await until(() => processesWith(`HOME=${HOME}`).length === 0);
});

test('node-pty: a program that ignores SIGHUP is killed', async () => {
  const { dial, HOME } = await startTerminals();
  const client = await openRaw(dial(), '/shell', await logIn(dial()));
  client.send(type(`trap '' HUP; echo up-$((6*7)); while :; do read -t 1 x; done\n`));
  await client.shows(/up-42/);
  client.socket.destroy();
  await until(() => processesWith(`HOME=${HOME}`).length === 1);
}, 30_000);

test('node-pty: a page that reads slowly pauses the program, and loses no byte', async () => {
  const { dial } = await startTerminals();
  const client = await openRaw(dial(), '/shell', await logIn(dial()));
  client.socket.pause();
  client.send(type('stty -echo -onlcr; seq 1 1000000; echo end-$((6*7))\n'));
  await until(() => client.socket.readableLength > 0 || client.socket.isPaused());
  client.socket.resume();
  const parts: string[] = [];
  while (!parts.slice(-2).join('').includes('end-42')) {
    const more = await client.payload(1);
    if (more.length === 0) throw new Error('the end came early');
    parts.push(more.toString('latin1'));
  }
  const text = parts.join('');
  const start = text.indexOf('1\n2\n3\n');
  const numbers = text.slice(start, text.indexOf('end-42')).split('\n').slice(0, -1);
  expect(numbers.length).toBe(1_000_000);
  expect(numbers.findIndex((line, i) => line !== String(i + 1))).toBe(-1);
}, 60_000);

test('node-pty: input for a program that reads nothing is not queued without a limit', async () => {
  const { dial } = await startTerminals();
  const client = await openRaw(dial(), '/shell', await logIn(dial()));
  client.send(type('stty raw -echo; echo up-$((6*7)); sleep 300\n'));
  await client.shows(/up-42/);
  const much = frame(2, Buffer.alloc(65_536, 'x'));
  // Some megabytes fit into the kernels and the queue of the tunnel.
  for (let sent = 0; sent < 1000; sent++) client.socket.write(much);
  let before = -1;
  await until(async () => {
    const now = client.socket.writableLength;
    const stands = now === before && now > 0;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return stands;
  });
  expect(client.socket.writableLength).toBeGreaterThan(30_000_000);
}, 30_000);

describeWith('tmux')('node-pty with tmux', () => {
  test('a reconnect finds the shell again, with the new size, and another user another shell', async () => {
    const TMUX_TMPDIR = folder();
    const { dial } = await startTerminals({ TMUX: '', TMUX_TMPDIR });
    onCleanup(() => {
      execFileSync('tmux', ['kill-server'], { env: { ...process.env, TMUX_TMPDIR } });
    });
    const ann = await logIn(dial(), 'ann');
    const first = await openRaw(dial(), '/shell?cols=100&rows=30', ann);
    first.send(type('mark=kept; echo up-$((6*7))\n'));
    await first.shows(/up-42/);
    first.socket.destroy();

    const second = await openRaw(dial(), '/shell?cols=120&rows=40', ann);
    second.send(type('echo "[$mark] [$WEB_USER]"\n'));
    await second.shows(/\[kept\] \[ann\]/);
    // A line of tmux is the status.
    await hasSize(second, 39, 120);
    second.send(size(90, 20));
    await hasSize(second, 19, 90);

    const bob = await openRaw(dial(), '/shell', await logIn(dial(), 'bob'));
    bob.send(type('echo "[$mark] [$WEB_USER]"\n'));
    await bob.shows(/\[\] \[bob\]/);
    second.send(type('exit\n'));
    expect(await second.close()).toMatchObject({ code: 1000 });
  }, 30_000);
});

describeWith('sshd', 'ssh-keygen')('in-process-ssh', () => {
  test('the terminal of a real sshd has the size of the query, and follows control messages', async () => {
    const server = await startSshd();
    const home = folder();
    const [SSH_KEY, SSH_HOST_KEY] = [join(home, 'key'), join(home, 'host.pub')];
    writeFileSync(SSH_KEY, server.clientKey, { mode: 0o600 });
    writeFileSync(SSH_HOST_KEY, server.hostKey);
    const { dial } = await startRecipe('in-process-ssh.mjs', {
      SSH_PORT: String(server.port),
      SSH_USER: userInfo().username,
      SSH_KEY,
      SSH_HOST_KEY,
    });
    const client = await openRaw(dial(), '/terminal?cols=100&rows=30', await logIn(dial()));
    await hasSize(client, 30, 100);
    client.send(size(132, 43), frame(1, 'no size'));
    await hasSize(client, 43, 132);
    client.send(type('exit\n'));
    expect(await client.close()).toMatchObject({ code: 1000 });
  });
});

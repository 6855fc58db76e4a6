import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { CLI } from '../support/command.js';
import { makeCluster } from '../support/postgres.js';
import { describeWith, Program } from '../support/programs.js';
import { startSquid } from '../support/real-proxies.js';
import { startSshd } from '../support/sshd.js';
import { accepts, closedPort, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';
import { CLIENT, CONNECT } from '../support/readme.js';
import { makeProject, type Edit } from './recipe.js';

const PAGES = CONNECT + CLIENT;

const names = Array.from(PAGES.matchAll(/^<!-- connect: (.+) -->$/gm), ([, name = '']) => name);
const covered = new Set<string>();

/** The block after a mark of the page, with the test's own ports and files. */
function block(name: string, edits: readonly Edit[]): string {
  covered.add(name);
  const [, rest = ''] = PAGES.split(`<!-- connect: ${name} -->\n`);
  let [, text = ''] = /^\n```\w*\n([^]*?)^```$/m.exec(rest) ?? [];
  for (const [from, to] of edits) {
    expect(text).toContain(from);
    text = text.replaceAll(from, () => to);
  }
  return text;
}

function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'wstunnel-other-end-'));
  onCleanup(() => rmSync(made, { recursive: true, force: true }));
  return made;
}

/** Writes a secret to the place where the recipe expects it. */
function home(file: string, text: string): string {
  const made = folder();
  writeFileSync(join(made, file), text, { mode: 0o600 });
  return made;
}

/** Replaces the name of the installed command by the path of the built command. */
const INSTALLED: Edit = ['express-wstunnel connect', `${process.execPath} ${CLI} connect`];

/** Runs lines as a shell does. `exec` makes the last line's program replace the shell. */
function runLines(text: string, env: Record<string, string>): Program {
  const lines = text.trim().replaceAll('\\\n', '').split('\n');
  const last = lines.pop() ?? '';
  return new Program('sh', ['-ec', [...lines, `exec ${last}`].join('\n')], env);
}

/** A check that accepts only the given password. */
const basic = (password: string) => ({
  authenticate: ({ headers }: { headers: { authorization?: string | undefined } }) =>
    headers.authorization === `Basic ${btoa(`ann:${password}`)}`,
});

describeWith(
  'ssh',
  'sshd',
  'ssh-keygen',
)('ssh', () => {
  /** Starts an sshd with the page's configuration, and the settings that a test's sshd needs. */
  async function startSsh() {
    const sshd = await startSshd();
    const { url, tunnel } = await startTunnel({ server: { port: sshd.port }, ...basic('right') });
    const HOME = home('.desk-password', 'right\n');
    const config = block('ssh', [INSTALLED, ['wss://%h/ssh', url], ['User ann', 'User root']]);
    const known = join(HOME, 'known_hosts');
    writeFileSync(known, `desk.example.com ${sshd.hostKey.toString()}`);
    const own = `  IdentityFile ${sshd.clientKeyFile}\n  UserKnownHostsFile ${known}\n  BatchMode yes\n`;
    writeFileSync(
      join(HOME, 'config'),
      `${config}${own}`.replace('User root', `User ${process.env.USER ?? 'root'}`),
    );
    const run = (command: string, env: Record<string, string> = {}) =>
      new Promise<{ code: number; stdout: string; stderr: string }>((resolve) => {
        const options = { env: { ...process.env, HOME, ...env }, timeout: 15_000 };
        execFile('ssh', ['-F', join(HOME, 'config'), 'desk', command], options, (error, stdout, stderr) =>
          resolve({ code: error ? Number(error.code) : 0, stdout, stderr }),
        );
      });
    return { run, tunnel, HOME };
  }

  test('by ProxyCommand', async () => {
    const { run, tunnel } = await startSsh();
    expect(await run('echo $((6 * 7)); cat /dev/zero | head -c 1000000 | wc -c')).toEqual({
      ...{ code: 0, stdout: '42\n1000000\n', stderr: '' },
    });
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats()).toMatchObject({ opened: 1, closed: { 1000: 1 } });
  });

  test('with a wrong password it says why', async () => {
    const { run, HOME } = await startSsh();
    writeFileSync(join(HOME, '.desk-password'), 'wrong\n');
    const { code, stderr } = await run('true');
    expect(code).toBe(255);
    expect(stderr).toMatch(/^express-wstunnel: .* was refused: 401 Unauthorized .*\n/);
  });

  describeWith('squid')('from behind a proxy', () => {
    test('that wants a login', async () => {
      const { run } = await startSsh();
      const { port } = await startSquid({ user: 'ann', password: 'secret' });
      const env = (password: string) => ({
        HTTP_PROXY: `http://ann:${password}@127.0.0.1:${port}`,
        NO_PROXY: '',
      });
      expect(await run('echo out', env('secret'))).toEqual({ code: 0, stdout: 'out\n', stderr: '' });
      const { stderr } = await run('true', env('wrong'));
      expect(stderr).toMatch(/^express-wstunnel: the proxy .* requires a valid user and password: 407 /);
    });
  });
});

describeWith(
  'Xvnc',
  'Xvfb',
  'xterm',
  'vncviewer',
)('a VNC viewer', () => {
  test('fetches a real desktop', async () => {
    const socket = join(folder(), 'vnc.sock');
    const vnc = new Program('Xvnc', [
      ...['-displayfd', '3', '-rfbunixpath', socket, '-rfbport', '-1', '-SecurityTypes', 'None'],
      ...['-geometry', '640x480', '-nolisten', 'tcp'],
    ]);
    const [, desktop = ''] = await vnc.prints(/^(\d+)\n/m);
    // A colour that no other screen shows.
    const COLOUR = '#12ab34';
    new Program('xterm', ['-bg', COLOUR, '-geometry', '200x60+0+0', '-e', 'sleep 60'], {
      DISPLAY: `:${desktop}`,
    });
    const { url, tunnel } = await startTunnel({ server: { socket }, ...basic('right') });
    const pixels = folder();
    const screen = new Program('Xvfb', [
      ...['-displayfd', '3', '-screen', '0', '800x600x24', '-nolisten', 'tcp', '-fbdir', pixels],
    ]);
    const [, display = ''] = await screen.prints(/^(\d+)\n/m);
    const local = await closedPort();
    const lines = block('vnc', [
      INSTALLED,
      ['wss://desk.example.com/vnc/websockify', url],
      ['5901', String(local)],
    ]);
    const HOME = home('.desk-password', 'right\n');
    const viewer = runLines(lines, { HOME, DISPLAY: `:${display}` });
    const [, tunnelled = ''] = await viewer.prints(/^(\d+)$/m);
    onCleanup(() => process.kill(Number(tunnelled), 'SIGTERM'));
    const bgrx = Buffer.from([0x34, 0xab, 0x12]);
    const seen = () => {
      const image = readFileSync(join(pixels, 'Xvfb_screen0'));
      let count = 0;
      for (let at = image.indexOf(bgrx); at !== -1; at = image.indexOf(bgrx, at + 4)) count++;
      return count;
    };
    await until(() => {
      if (viewer.process.exitCode !== null) throw new Error(`it ended: ${viewer.output}`);
      return seen() > 100_000;
    });
    expect(tunnel.stats()).toMatchObject({ open: 1, opened: 1 });
  });
});

describeWith(
  'postgres',
  'initdb',
  'runuser',
  'psql',
)('psql', () => {
  test('asks a real database', async () => {
    const { home: data, as, ...cluster } = makeCluster();
    new Program(...as('postgres', ['-D', cluster.data, '-k', data, '-h', '']));
    const socket = join(data, '.s.PGSQL.5432');
    await until(() => accepts({ socket }));
    const { url, tunnel } = await startTunnel({
      server: { socket },
      authenticate: ({ headers }) => headers.authorization === 'Bearer tok.en',
    });
    const local = await closedPort();
    const lines = block('psql', [
      INSTALLED,
      ['wss://desk.example.com/db', url],
      ['5433', String(local)],
      ['dbname=app user=ann', 'dbname=postgres user=postgres'],
      ["psql '", "psql -Atc 'select sum(n) from generate_series(1, 100000) n' '"],
    ]);
    const HOME = home('.desk-token', 'tok.en\n');
    const psql = runLines(lines, { HOME });
    await psql.prints(/^5000050000$/m);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().opened).toBe(1);
  });
});

test('the library', async () => {
  const { port } = await startEcho();
  const { url } = await startTunnel({ server: { port } });
  const text = block('library', [
    ['wss://desk.example.com/vnc/websockify', url],
    ['5901, ', '0, '],
  ]);
  const project = await makeProject('main.js', text);
  const program = new Program(process.execPath, [join(project, 'main.js')], { DESK_TOKEN: 'tok.en' });
  await program.prints(/open\n/);
  await program.prints(/address: '127\.0\.0\.1'/);
});

test('every recipe of the other end was run', () => {
  expect(names).toEqual(['ssh', 'vnc', 'psql', 'library']);
  expect([...covered].sort()).toEqual([...names].sort());
});

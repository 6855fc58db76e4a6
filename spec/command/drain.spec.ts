import { utimesSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { end, files, runCommand, startCommand, type Listening } from '../support/command.js';
import {
  closeFrame,
  echoes,
  openRaw,
  pageRequest,
  pageStatus,
  RawClient,
  requestTunnel,
} from '../support/raw-client.js';
import { accepts, startEcho } from '../support/servers.js';
import { sleep, until } from '../support/wait.js';

const term = ({ program }: Listening) => program.process.kill('SIGTERM');

/** Thirty days, longer than the longest timer of Node. */
const DAYS = String(30 * 86_400);

async function start(...args: string[]): Promise<Listening> {
  const { port } = await startEcho();
  return startCommand(['0', String(port), '--log', '-', ...args]);
}

async function openMany(port: number, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  while (clients.length < count) clients.push(await openRaw(port));
  return clients;
}

function answerClose(client: RawClient): void {
  client.send(closeFrame(1001)).socket.end();
}

/** Makes every reading of the token file take about a second. */
function keepUnsettled(tokens: string): void {
  const timer = setInterval(() => utimesSync(tokens, new Date(), new Date()), 5);
  onCleanup(() => clearInterval(timer));
}

describe('--grace', () => {
  test('lets open tunnels go on after SIGTERM while the port is closed, and sends the Closes afterwards', async () => {
    const command = await start('--grace', '2');
    const client = await openRaw(command.port);
    term(command);
    await command.program.prints(/draining: 1 tunnel, up to 10 s\n/);
    await until(async () => !(await accepts({ port: command.port })));
    for (let i = 0; i < 5; i++) await echoes(client);
    expect(await client.close()).toMatchObject({ code: 1001 });
    answerClose(client);
    expect(await command.exit()).toBe(0);
  });

  test.each([[[]], [['--workers', '2']]])(
    'of days ends at a second SIGTERM, and a third ends the command at once (%j)',
    async (more) => {
      const command = await start('--grace', DAYS, '--drain', '3600', ...more);
      const clients = await openMany(command.port, 4);
      term(command);
      await command.program.prints(/draining: 4 tunnels, up to 2595600 s\n/);
      await sleep(200);
      for (const client of clients) await echoes(client);
      term(command);
      await command.program.prints(/closing 4 tunnels now, up to 3600 s\n/);
      for (const client of clients) expect(await client.close()).toMatchObject({ code: 1001 });
      answerClose(clients.pop()!);
      expect(command.program.process.exitCode).toBeNull();
      term(command);
      expect(await command.exit()).toBe(143);
      expect(command.program.output).toMatch(/ending at once: \d tunnels cut\n/);
      for (const client of clients) await client.ended();
      expect(command.program.output.match(/"event":"close"/g)).toHaveLength(4);
    },
  );

  test('ends when the last tunnel has ended', async () => {
    const command = await start('--grace', DAYS);
    const client = await openRaw(command.port);
    term(command);
    await command.program.prints(/draining/);
    client.socket.destroy();
    expect(await command.exit()).toBe(0);
  });

  test('ignores SIGHUP, with a line', async () => {
    const command = await start('--grace', DAYS);
    const client = await openRaw(command.port);
    term(command);
    await command.program.prints(/draining/);
    command.program.process.kill('SIGHUP');
    await command.program.prints(/SIGHUP: not reloaded, since the command is ending\n/);
    await echoes(client);
    expect(command.program.output).not.toMatch(/reloaded and apply/);
  });
});

test('--spread sends the Closes one after another', async () => {
  const command = await start('--spread', '3');
  const clients = await openMany(command.port, 6);
  term(command);
  const since = performance.now();
  const times = await Promise.all(
    clients.map(async (client) => {
      expect(await client.close()).toMatchObject({ code: 1001 });
      answerClose(client);
      return performance.now() - since;
    }),
  );
  // Evenly, half a second apart; a busy machine makes the gaps longer.
  expect(Math.max(...times) - Math.min(...times)).toBeGreaterThan(1800);
  expect(await command.exit()).toBe(0);
});

test('--drain cuts tunnels whose clients do not answer the Close, and says how many', async () => {
  const command = await start('--grace', '0.2', '--drain', '1.5');
  const [answering, ...silent] = await openMany(command.port, 3);
  term(command);
  expect(await answering!.close()).toMatchObject({ code: 1001 });
  answerClose(answering!);
  expect(await command.exit()).toBe(0);
  expect(command.program.output).toMatch(/2 tunnels cut, still open 1.5 s after the Close \(--drain\)\n/);
  for (const client of silent) await client.ended();
});

describe('--linger', () => {
  test.each([[[]], [['--workers', '2']]])(
    'keeps the port open after SIGTERM: pages are served, upgrades get 503 (%j)',
    async (more) => {
      const { folder } = await files({ 'index.html': 'desk' });
      const command = await start('--linger', '3', '--grace', DAYS, '--web', folder!, ...more);
      const client = await openRaw(command.port);
      const kept = new RawClient(command.port).send(pageRequest('/', { Connection: 'keep-alive' }));
      expect((await kept.answer()).headers.connection).toBe('keep-alive');
      await kept.take(4);
      term(command);
      await command.program.prints(/draining: 1 tunnel/);
      const page = await kept.send(pageRequest('/', { Connection: 'keep-alive' })).answer();
      expect(page).toMatchObject({ status: 200, headers: { connection: 'close' } });
      for (let i = 0; i < 10; i++) {
        const refusal = await requestTunnel(command.port, '/').answer();
        expect(refusal).toMatchObject({ status: 503, headers: { 'retry-after': '1', connection: 'close' } });
        expect(await pageStatus(command.port, '/')).toBe(200);
      }
      await until(async () => !(await accepts({ port: command.port })));
      await echoes(client);
      client.socket.destroy();
      expect(await command.exit()).toBe(0);
    },
  );

  test('lasts as long as it says without a tunnel as well, with 503 for upgrades', async () => {
    const command = await start('--linger', '2');
    const since = performance.now();
    term(command);
    await command.program.prints(/draining: 0 tunnels, up to 2 s\n/);
    await sleep(500);
    const { status, headers } = await requestTunnel(command.port, '/').answer();
    expect({ status, retry: headers['retry-after'] }).toEqual({ status: 503, retry: '1' });
    expect(await command.exit()).toBe(0);
    expect(performance.now() - since).toBeGreaterThan(1900);
  });

  test('ends at a second SIGTERM', async () => {
    const command = await start('--linger', '3600');
    term(command);
    await command.program.prints(/draining/);
    term(command);
    expect(await command.exit()).toBe(0);
  });

  test('of workers survives a SIGTERM to all processes, and a worker that dies meanwhile', async () => {
    const command = await start('--linger', '3600', '--workers', '3');
    const [, list = ''] = await command.program.prints(/workers \(process ([\d, ]+)\)/);
    const pids = list.split(', ').map(Number);
    onCleanup(() => pids.forEach((pid) => end(pid)));
    for (const pid of pids) process.kill(pid, 'SIGTERM');
    // Less than the second in which a worker expects the supervisor's message.
    await sleep(50);
    term(command);
    await command.program.prints(/draining/);
    await sleep(500);
    end(pids[0]!);
    await until(() => !isAlive(pids[0]!));
    // A connection in the queue of the dead worker is reset, until its socket is closed.
    await until(
      async () =>
        (
          await requestTunnel(command.port, '/')
            .answer()
            .catch(() => undefined)
        )?.status === 503,
    );
    for (let i = 0; i < 30; i++) expect((await requestTunnel(command.port, '/').answer()).status).toBe(503);
    expect(command.program.output).not.toMatch(/serves again/);
    expect(pids.filter(isAlive)).toHaveLength(2);
    term(command);
    expect(await command.exit()).toBe(0);
  });

  test('does not apply to a worker that alone gets SIGTERM: the others serve', async () => {
    const command = await start('--linger', '3600', '--workers', '2', '--grace', DAYS);
    const [, list = ''] = await command.program.prints(/workers \(process ([\d, ]+)\)/);
    const [first, second] = list.split(', ').map(Number);
    onCleanup(() => [first, second].forEach((pid) => end(pid!)));
    process.kill(first!, 'SIGTERM');
    const [, pid = ''] = await command.program.prints(/worker 1 serves again, as process (\d+)/);
    onCleanup(() => end(Number(pid)));
    for (let i = 0; i < 20; i++) (await openRaw(command.port)).socket.destroy();
  });
});

describe('reloads and the end', () => {
  async function startUnsettled(...more: string[]) {
    const { port } = await startEcho();
    // The last line has no end, as during the work of an editor.
    const { tokens } = await files({ tokens: `a: ${port}\nb: 1` });
    const command = await startCommand(['--listen', '0', '--tokens', tokens!, ...more]);
    keepUnsettled(tokens!);
    await sleep(50);
    return command;
  }

  test('SIGTERM during a reload drains at once, and the reload opens nothing again', async () => {
    const command = await startUnsettled('--linger', '3', '--drain', '1');
    command.program.process.kill('SIGHUP');
    await sleep(100);
    term(command);
    await command.program.prints(/draining: 0 tunnels/);
    expect((await requestTunnel(command.port, '/?token=a').answer()).status).toBe(503);
    await command.program.prints(/SIGHUP: not reloaded, since the command is ending\n/);
    expect((await requestTunnel(command.port, '/?token=a').answer()).status).toBe(503);
    expect(await command.exit()).toBe(0);
    expect(command.program.output).not.toMatch(/were reloaded/);
  });
});

test.each([
  ['--grace', '-1'],
  ['--grace', '31622401'],
  ['--spread', '86401'],
  ['--linger', '3601'],
  ['--linger', 'x'],
])('%s=%s is refused', async (name, value) => {
  const { code, stderr } = await runCommand(['0', '5900', `${name}=${value}`]);
  expect(code).toBe(2);
  expect(stderr).toContain(`${name} must be `);
});

test('the times are also settings in JSON', async () => {
  const { port } = await startEcho();
  const { config, invalid } = await files({
    config: JSON.stringify({ listen: '0', server: { port }, grace: 1000, spread: 10, linger: 5, drain: 1 }),
    invalid: '{ "server": 5900,\n "spread": -1 }',
  });
  expect((await runCommand(['--config', invalid!, '--check-config'])).stderr).toMatch(
    /invalid:2:12: spread must be/,
  );
  expect(await runCommand(['--config', config!, '--check-config'])).toMatchObject({ code: 0 });
  const command = await startCommand(['--config', config!]);
  await openRaw(command.port);
  term(command);
  await command.program.prints(/draining: 1 tunnel, up to 1011 s\n/);
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

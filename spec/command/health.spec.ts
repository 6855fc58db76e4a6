import { existsSync, utimesSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { onCleanup } from '../support/cleanup.js';
import { CLI, end, files, runCommand, startCommand, type Listening } from '../support/command.js';
import { Program } from '../support/programs.js';
import { echoes, openRaw, pageStatus, RawClient } from '../support/raw-client.js';
import { closedPort, listen, portOf, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

interface Answer {
  readonly status: number;
  readonly body: string;
  readonly headers: Readonly<Record<string, unknown>>;
}

/** Asks a port of loopback, or a unix socket. */
function ask(at: number | string, path: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const address = typeof at === 'number' ? { host: '127.0.0.1', port: at } : { socketPath: at };
    request({ ...address, path, method, agent: false }, (res) => {
      let body = '';
      res.on('data', (chunk: Buffer) => (body += chunk.toString()));
      res.on('end', () => resolve({ status: res.statusCode!, body, headers: res.headers }));
    })
      .on('error', reject)
      .end();
  });
}

const term = ({ program }: Listening) => program.process.kill('SIGTERM');

async function start(...args: string[]): Promise<Listening & { health: number }> {
  const { port } = await startEcho();
  const command = await startCommand(['0', String(port), '--health', '0', ...args]);
  const [, health] = await command.program.prints(/health checks at http:\/\/127\.0\.0\.1:(\d+): /);
  return { ...command, health: Number(health) };
}

describe('--health', () => {
  test('answers /healthz and /readyz, and nothing else', async () => {
    const { health } = await start();
    for (const path of ['/healthz', '/readyz', '/readyz?verbose']) {
      const { status, body, headers } = await ask(health, path);
      expect({ status, body }).toEqual({ status: 200, body: 'ok\n' });
      expect(headers).toMatchObject({ 'cache-control': 'no-store', connection: 'close' });
    }
    expect(await ask(health, '/healthz', 'HEAD')).toMatchObject({ status: 200, body: '' });
    expect(await ask(health, '/healthz', 'POST')).toMatchObject({
      status: 405,
      headers: { allow: 'GET, HEAD' },
    });
    for (const path of ['/', '/healthz/', '//healthz', '/metrics'])
      expect((await ask(health, path)).status).toBe(404);
  });

  test('needs no login, and is not on the public port', async () => {
    const { secret } = await files({ secret: 'right\n' });
    const command = await start('--auth', `ann:${secret!}`);
    expect((await ask(command.health, '/readyz')).status).toBe(200);
    expect(await pageStatus(command.port, '/readyz')).toBe(401);
    expect(await pageStatus((await start()).port, '/healthz')).toBe(404);
  });

  test('does not count under --max-connections', async () => {
    const { port, health } = await start('--max-connections', '1');
    await echoes(await openRaw(port));
    expect((await ask(health, '/readyz')).status).toBe(200);
  });

  test.each([[[]], [['--workers', '2']]])(
    '/readyz is 503 from SIGTERM on, and /healthz stays 200 until the end (%j)',
    async (more) => {
      const command = await start('--grace', '3600', ...more);
      const client = await openRaw(command.port);
      expect((await ask(command.health, '/readyz')).status).toBe(200);
      term(command);
      await until(async () => (await ask(command.health, '/readyz')).status === 503);
      expect(await ask(command.health, '/readyz')).toMatchObject({ status: 503, body: 'draining\n' });
      await command.program.prints(/draining: 1 tunnel/);
      expect(await ask(command.health, '/healthz')).toMatchObject({ status: 200, body: 'ok\n' });
      client.socket.destroy();
      expect(await command.exit()).toBe(0);
    },
  );

  test('/readyz is 503 until the command listens, on a unix socket that is removed at the end', async () => {
    const { port } = await startEcho();
    // A token file that changes all the time makes the start take about a second.
    const { tokens, folder } = await files({ tokens: `a: ${port}\nb: 1` });
    const timer = setInterval(() => utimesSync(tokens!, new Date(), new Date()), 5);
    onCleanup(() => clearInterval(timer));
    const socket = join(folder!, 'health');
    const args = ['--listen', '0', '--tokens', tokens!, '--health', `unix:${socket}`];
    const program = new Program(process.execPath, [CLI, ...args]);
    await until(() => existsSync(socket));
    expect(await ask(socket, '/readyz')).toMatchObject({ status: 503, body: 'starting\n' });
    expect((await ask(socket, '/healthz')).status).toBe(200);
    await program.prints(/health checks at unix:/);
    expect((await ask(socket, '/readyz')).status).toBe(200);
    await program.stop();
    expect(existsSync(socket)).toBe(false);
  });

  test('closes connections that send no request, and most beyond 64', async () => {
    const { health } = await start();
    const silent = Array.from({ length: 100 }, () => connect(health, '127.0.0.1'));
    for (const one of silent) one.on('error', () => undefined).resume();
    onCleanup(() => silent.forEach((one) => one.destroy()));
    await until(() => silent.filter(({ destroyed }) => destroyed).length >= 36);
    // The others have 5 seconds for their headers.
    expect(silent.filter(({ destroyed }) => destroyed)).toHaveLength(36);
    // The rest after the time for the headers.
    await until(() => silent.every(({ destroyed }) => destroyed));
    expect((await ask(health, '/healthz')).status).toBe(200);
  }, 30_000);

  test('works in the background, with a port alone on loopback', async () => {
    const { port: target } = await startEcho();
    const [port, health] = [await closedPort(), await closedPort()];
    const { code, stderr } = await runCommand([
      String(port),
      String(target),
      '--health',
      String(health),
      '-D',
    ]);
    const pid = Number(/in the background as process (\d+)/.exec(stderr)?.[1]);
    onCleanup(() => end(pid));
    expect(code).toBe(0);
    expect(stderr).toContain(`health checks at http://127.0.0.1:${health}: `);
    expect((await ask(health, '/readyz')).status).toBe(200);
  });

  test('an upgrade to the health port opens no tunnel', async () => {
    const { health } = await start();
    const client = new RawClient(health).send(
      'GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
    );
    expect((await client.answer()).status).toBe(200);
  });
});

describe('--health with --workers', () => {
  test('is 503 while no worker can be kept alive, and recovers', async () => {
    const { port } = await startEcho();
    const valid = JSON.stringify({ listen: '0', server: { port }, health: 0, workers: 1 });
    const { config } = await files({ config: valid });
    const command = await startCommand(['--config', config!]);
    const [, at] = await command.program.prints(/health checks at http:\/\/127\.0\.0\.1:(\d+): /);
    const [, pid] = await command.program.prints(/worker \(process (\d+)\)/);
    const states = async () =>
      Promise.all(['/healthz', '/readyz'].map(async (path) => (await ask(Number(at), path)).body.trim()));
    expect(await states()).toEqual(['ok', 'ok']);
    await writeFile(config!, '{');
    end(Number(pid));
    await until(async () => (await states()).join() === 'no worker,no worker');
    await writeFile(config!, valid);
    command.program.process.kill('SIGHUP');
    const [, next] = await command.program.prints(/serves again, as process (\d+)/);
    onCleanup(() => end(Number(next)));
    expect(await states()).toEqual(['ok', 'ok']);
  });

  test('is ready while one of two workers is down', async () => {
    const { port } = await startEcho();
    const { config } = await files({ config: JSON.stringify({ listen: '0', server: { port } }) });
    const args = ['--config', config!, '--health', '0', '--workers', '2'];
    const command = await startCommand(args);
    const [, at] = await command.program.prints(/health checks at http:\/\/127\.0\.0\.1:(\d+): /);
    const [, pid] = await command.program.prints(/workers \(process (\d+), /);
    await writeFile(config!, '{');
    end(Number(pid));
    await command.program.prints(/a new one starts in 1 s/);
    for (const path of ['/healthz', '/readyz']) expect((await ask(Number(at), path)).status).toBe(200);
  });
});

describe('--health: errors', () => {
  test.each([
    [['6080', '5900', '--health', '6080'], /--health 127\.0\.0\.1:6080 is also a listen address/],
    [[':6080', '5900', '--health', '6080'], /is also a listen address/],
    [['6080', '5900', '--health', ':6080'], /is also a listen address/],
    [['--unix', '/tmp/x', '5900', '--health', 'unix:/tmp/x'], /is also a listen address/],
    [['0', '5900', '--health', 'fd:3'], /--health must be PORT .*; got "fd:3"/],
    [['0', '5900', '--health', 'unix:@x'], /--health must be PORT/],
    [['0', '5900', '--health', 'nonsense'], /--health must be PORT .*; got "nonsense"/],
  ])('%j is refused', async (args, line) => {
    const { code, stderr } = await runCommand(args);
    expect(stderr).toMatch(line);
    expect(code).toBe(2);
  });

  test('an address in use ends the start with exit code 4', async () => {
    const server = createServer();
    await listen(server);
    for (const more of [[], ['--workers', '1']]) {
      const args = ['0', '5900', '--health', String(portOf(server)), ...more];
      const { code, stderr } = await runCommand(args);
      expect(stderr).toMatch(
        /the health checks \(--health\): can't listen on 127\.0\.0\.1:\d+: it is already in use/,
      );
      expect(code).toBe(4);
    }
  });

  test('in JSON is checked, and a change applies after a restart', async () => {
    const { port } = await startEcho();
    const config = (health: unknown) => JSON.stringify({ listen: '0', server: { port }, health });
    const { file } = await files({ file: config('fd:3') });
    const check = await runCommand(['--config', file!, '--check-config']);
    expect(check.stderr).toMatch(/file:1:\d+: health must be PORT/);
    expect(check.code).toBe(3);
    await writeFile(file!, config(0));
    const command = await startCommand(['--config', file!]);
    const [, at] = await command.program.prints(/health checks at http:\/\/127\.0\.0\.1:(\d+): /);
    await writeFile(file!, config(undefined));
    command.program.process.kill('SIGHUP');
    await command.program.prints(/the health address, .* apply after a restart/);
    expect((await ask(Number(at), '/readyz')).status).toBe(200);
  });
});

import { once } from 'node:events';
import { describe, expect, test } from 'vitest';
import { CLI } from '../../support/command.js';
import { Program } from '../../support/programs.js';
import { startBackend, startTunnel } from '../../support/servers.js';
import { until } from '../../support/wait.js';

/** A backend that answers after a short delay, and does not end the connection. */
async function startSlow(ms: number): Promise<string> {
  const backend = await startBackend((socket) => {
    socket.on('data', (bytes) => setTimeout(() => socket.write(`answer to ${String(bytes)}`), ms));
    socket.on('end', () => socket.end());
  });
  return (await startTunnel({ server: { port: backend.port } })).url;
}

/** `printf question | connect URL ...` */
function ask(url: string, ...args: string[]) {
  const program = new Program(process.execPath, [CLI, 'connect', url, ...args], {}, 'pipe');
  program.process.stdin?.on('error', () => undefined).end('question');
  return { program, exit: once(program.process, 'close').then(([code]) => code as number | null) };
}

describe('issue 13, case 12: answers that come after the end of the input', () => {
  test('connect waits for answers by default, and exits after a silence', async () => {
    const { program, exit } = ask(await startSlow(300));
    expect(await exit).toBe(0);
    expect(program.output).toBe('answer to question');
  });

  test('every part of an answer restarts the waiting time', async () => {
    const backend = await startBackend((socket) => {
      socket.once('data', () => {
        let left = 8;
        const timer = setInterval(() => {
          socket.write('x');
          if (--left === 0) clearInterval(timer);
        }, 200);
        socket.on('close', () => clearInterval(timer));
      });
      socket.on('end', () => socket.end());
    });
    const { url } = await startTunnel({ server: { port: backend.port } });
    const { program, exit } = ask(url, '--linger', '0.7');
    expect(await exit).toBe(0);
    expect(program.output).toBe('xxxxxxxx');
  });

  test('with --linger 0 connect does not wait', async () => {
    const { program, exit } = ask(await startSlow(3000), '--linger', '0');
    expect(await exit).toBe(0);
    expect(program.output).toBe('');
  });

  test('with --no-close connect waits until the server ends the tunnel', async () => {
    const backend = await startBackend((socket) => {
      socket.once('data', () => setTimeout(() => socket.end('late'), 2500));
    });
    const { url, tunnel } = await startTunnel({ server: { port: backend.port } });
    const { program, exit } = ask(url, '--no-close');
    expect(await exit).toBe(0);
    expect(program.output).toBe('late');
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });

  test('with --no-close SIGTERM closes the tunnel and exits', async () => {
    const { url, tunnel } = await startTunnel();
    const { program, exit } = ask(url, '--no-close');
    await program.prints(/question/);
    program.process.kill('SIGTERM');
    expect(await exit).toBe(0);
    await until(() => tunnel.stats().open === 0);
    expect(tunnel.stats().closed).toEqual({ 1000: 1 });
  });

  test('a tunnel lost during the wait is an error and not an orderly end', async () => {
    const backend = await startBackend((socket) => {
      socket.once('data', () => socket.resetAndDestroy());
    });
    const { url } = await startTunnel({ server: { port: backend.port } });
    const { program, exit } = ask(url, '--no-close');
    expect(await exit).toBe(1);
    expect(program.output).toMatch(/the tunnel was closed with 1011/);
  });
});

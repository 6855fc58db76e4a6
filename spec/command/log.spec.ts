import { readFile, rename } from 'node:fs/promises';
import { connect } from 'node:net';
import { describe, expect, test } from 'vitest';
import { files, startCommand } from '../support/command.js';
import { closeFrame, echoes, openRaw, requestTunnel } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { holds, sleep, until } from '../support/wait.js';

interface Line {
  readonly event: string;
  readonly [name: string]: unknown;
}

/** C0, DEL, C1, bidirectional controls, and line separators. */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/u;

const linesOf = (text: string) => text.split('\n').filter((line) => line.startsWith('{'));
const parse = (line: string) => JSON.parse(line) as Line;

async function refused(port: number, path: string, localAddress = '127.0.0.1'): Promise<number> {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  const client = requestTunnel(socket, path, { Origin: 'http://other.example' });
  const { status } = await client.answer();
  socket.destroy();
  return status;
}

describe('issue 12, case 16: text from clients in the log', () => {
  test('is cut to a maximum length, on stderr and in JSON', async () => {
    const { program, port } = await startCommand(['0', '1', '-v', '--log', '-']);
    expect(await refused(port, `/${'x'.repeat(14_000)}`)).toBe(403);
    await until(() => linesOf(program.output).length === 1);
    for (const line of program.output.split('\n')) expect(line.length).toBeLessThan(1024);
    const [event] = linesOf(program.output).map(parse);
    expect(event?.url).toBe(`/${'x'.repeat(510)}…`);
    expect(program.output).toMatch(/^refuse {2}127\.0\.0\.1 \/x{510}…: 403 /m);
  });

  test('contains no character that ends a line, moves the cursor or reverses text', async () => {
    const { port: target } = await startEcho();
    const { program, port } = await startCommand(['0', String(target), '-v', '--log', '-']);
    const client = await openRaw(port, '/');
    await echoes(client);
    client.send(closeFrame(1000, 'bye\r\n\u001b[2J\u0085\u009b\u202eexe\u2066\u200f\u2028\u2029\u007f'));
    await client.close();
    client.socket.end();
    await program.prints(/^close .*: 1000 /m);
    await until(() => linesOf(program.output).length === 2);
    for (const line of program.output.split('\n')) expect(line).not.toMatch(UNSAFE);
    // The escapes in JSON keep the original text for programs.
    const [, closed] = linesOf(program.output).map(parse);
    expect(closed?.reason).toBe('bye\r\n\u001b[2J\u0085\u009b\u202eexe\u2066\u200f\u2028\u2029\u007f');
  });

  test('is summed up in one line where an address is refused repeatedly', async () => {
    const { folder } = await files({});
    const log = `${folder}/events.log`;
    const command = await startCommand(['0', '1', '-v', '--log', log]);
    const { port, program } = command;
    for (let i = 0; i < 60; i++) expect(await refused(port, `/${i}`)).toBe(403);
    expect(await refused(port, '/neighbour', '127.0.0.2')).toBe(403);
    program.process.kill('SIGTERM');
    expect(await command.exit()).toBe(0);
    const lines = linesOf(await readFile(log, 'utf8')).map(parse);
    const own = lines.filter(({ address }) => address === '127.0.0.1');
    expect(own.map(({ event }) => event)).toEqual([
      ...Array.from({ length: 10 }, () => 'refuse'),
      'refusals',
    ]);
    expect(own.at(-1)).toMatchObject({ count: 50, status: 403, code: 'WSTUNNEL_ORIGIN_REFUSED' });
    expect(lines.filter(({ address }) => address === '127.0.0.2').map(({ event }) => event)).toEqual([
      'refuse',
    ]);
    expect(program.output.match(/^refuse .*$/gm)).toHaveLength(12);
    expect(program.output).toMatch(
      /^refuse {2}127\.0\.0\.1: 50 more in \d+ s, the last one 403 WSTUNNEL_ORIGIN_REFUSED$/m,
    );
  });

  test('a log rotated without a signal is opened again under its name', async () => {
    const { folder } = await files({});
    const log = `${folder}/events.log`;
    const { port } = await startCommand(['0', '1', '--log', log]);
    await refused(port, '/before');
    await holds(async () => expect(await readFile(log, 'utf8')).toContain('/before'));
    await rename(log, `${log}.1`);
    let octet = 2;
    await until(async () => {
      await refused(port, '/after', `127.0.0.${octet}`);
      octet = Math.min(octet + 1, 250);
      await sleep(100);
      return (await readFile(log, 'utf8').catch(() => '')).includes('/after');
    });
  });
});

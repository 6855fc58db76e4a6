import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { echoes, openRaw, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { holds, until } from '../support/wait.js';

/** Whether a new connection opens a tunnel. At the limit the server closes connections without an answer. */
async function isServed(port: number): Promise<boolean> {
  try {
    const client = await openRaw(port);
    await echoes(client);
    client.socket.destroy();
    return true;
  } catch {
    return false;
  }
}

describe('issue 12, case 18: the limit of connections', () => {
  test('is shared by all addresses, and counts connections that send nothing', async () => {
    const { port: target } = await startEcho();
    const args = ['--listen', '0', '--listen', '127.0.0.1:0', String(target), '--max-connections', '3'];
    const { program, port } = await startCommand(args);
    await until(() => (program.output.match(/listening on/g) ?? []).length === 2);
    const second = Number(
      /listening on \S+[^]*listening on http:\/\/127\.0\.0\.1:(\d+)\//.exec(program.output)?.[1],
    );
    const idle = [new RawClient(port), new RawClient(second)];
    const open = await openRaw(port);
    await echoes(open);
    for (const one of [port, second]) {
      expect((await new RawClient(one).rest()).length).toBe(0);
      expect(await isServed(one)).toBe(false);
    }
    // Any number of refused connections gives a single warning.
    await program.prints(/3 connections are open, further ones are refused: see --max-connections/);
    expect(program.output.match(/further ones/g)).toHaveLength(1);
    await echoes(open);

    for (const { socket } of idle) socket.destroy();
    await holds(async () => expect(await isServed(second)).toBe(true));
    await echoes(open);
  });

  test('gets a slot back from every connection, also with TLS and without a PROXY header', async () => {
    const { port: target } = await startEcho();
    const { cert, key } = certificate();
    const made = await files({ cert, key });
    const tls = await startCommand([
      '0',
      String(target),
      '--max-connections',
      '2',
      '--cert',
      made.cert!,
      '--key',
      made.key!,
    ]);
    for (let i = 0; i < 6; i++) {
      // Clients disconnect before, during and after the TLS handshake.
      const raw = connect(tls.port, '127.0.0.1').on('error', () => undefined);
      raw.end('\u0016\u0003\u0001');
      await new RawClient(raw).ended();
      await holds(async () => {
        const client = await openRaw(connectTls({ port: tls.port, host: '127.0.0.1', ca: cert }));
        await echoes(client);
        client.socket.destroy();
      });
    }
    const proxied = await startCommand(['0', String(target), '--max-connections', '2', '--accept-proxy']);
    for (let i = 0; i < 6; i++) await new RawClient(proxied.port).send('no header').ended();
    await holds(async () => {
      const client = new RawClient(proxied.port).send('PROXY UNKNOWN\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n');
      expect((await client.answer()).status).toBe(404);
    });
  });

  test('can be set in JSON', async () => {
    const { port: target } = await startEcho();
    const { 'd.json': file } = await files({ 'd.json': '' });
    await writeFile(file!, JSON.stringify({ listen: '0', maxConnections: 1, server: { port: target } }));
    const { port } = await startCommand(['--config', file!]);
    const first = await openRaw(port);
    await echoes(first);
    expect(await isServed(port)).toBe(false);
    const more = await startCommand(['--config', file!, '--max-connections', '2']);
    await openRaw(more.port);
    expect(await isServed(more.port)).toBe(true);
  });

  test.each(['0', '-1', 'many', '1.5', '1000001'])(
    '--max-connections=%s is refused at the start',
    async (value) => {
      const { code, stderr } = await runCommand(['0', '5900', `--max-connections=${value}`]);
      expect(code).toBe(2);
      expect(stderr).toMatch(/--max-connections must be a whole number from 1 to 1000000/);
    },
  );
});

describeWith('sh')('issue 12, case 18: the default limit of connections', () => {
  test('follows ulimit -n', async () => {
    const { port: target } = await startEcho();
    const cli = new URL('../../dist/cli.js', import.meta.url).pathname;
    const line = `ulimit -n 96; exec ${process.execPath} ${cli} 0 ${target}`;
    const program = new Program('sh', ['-c', line]);
    const [, port = ''] = await program.prints(/listening on http:\/\/127\.0\.0\.1:(\d+)\//);
    const clients = Array.from({ length: 40 }, () => new RawClient(Number(port)));
    await program.prints(/16 connections are open, further ones are refused/);
    for (const { socket } of clients) socket.destroy();
    await holds(async () => expect(await isServed(Number(port))).toBe(true));
  });
});

import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { hostname } from 'node:os';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { handshake, RawClient } from '../support/raw-client.js';
import { startEcho } from '../support/servers.js';
import { holds } from '../support/wait.js';

/** The answer to a page of the given host: Host and Origin name the same host. */
async function page(dial: () => RawClient, host: string, headers: Record<string, string> = {}) {
  const client = dial().send(handshake('/', { Host: host, Origin: `http://${host}`, ...headers }));
  const { status } = await client.answer();
  const body = status === 101 ? '' : (await client.rest()).toString();
  client.socket.destroy();
  return { status, body };
}

async function start(...args: string[]) {
  const { port: target } = await startEcho();
  const command = await startCommand([...args, String(target)]);
  // The command's URL has [::] for every address, so the client dials the port alone.
  const dial = () => new RawClient(command.port);
  return { ...command, dial };
}

describe('issue 12, case 11: DNS rebinding', () => {
  test.each([
    [':0'],
    ['0.0.0.0:0'],
    ['[::]:0'],
    ['*:0'],
    ['127.1:0'],
    ['0x7f.1:0'],
    ['2130706433:0'],
    ['[::ffff:127.0.0.1]:0'],
  ])('on %s a page under a foreign name gets no tunnel, with or without --allow', async (address) => {
    for (const more of [[], ['--allow', '127.0.0.0/8']]) {
      const { dial, port } = await start('--listen', address, ...more);
      expect((await page(dial, `rebound.example:${port}`)).status).toBe(403);
      for (const host of ['127.0.0.1', 'localhost', 'desk.localhost', '192.0.2.9', '[::1]', hostname()])
        expect((await page(dial, `${host}:${port}`)).status, host).toBe(101);
    }
  });

  test('the refusal names the option, in the answer and once per origin on stderr', async () => {
    const { dial, program } = await start('--listen', ':0');
    for (const name of ['desk.example', 'other.example', 'desk.example'])
      expect((await page(dial, name)).body).toContain(`start it with --name ${name} (or --origin)`);
    for (const name of ['desk.example', 'other.example'])
      await program.prints(
        new RegExp(`a page of "http://${name}" was refused: .* --name ${name} \\(or --origin\\)`),
      );
    expect(program.output.match(/was refused/g)).toHaveLength(2);
  });

  test('--name, also in JSON, adds a name; names of the certificate count as well', async () => {
    const { dial } = await start('--listen', ':0', '--name', 'desk.example,b.example', '--name', 'c.example');
    for (const host of ['desk.example', 'DESK.example.', 'b.example', 'c.example'])
      expect((await page(dial, host)).status, host).toBe(101);
    for (const host of ['d.example', 'x.desk.example'])
      expect((await page(dial, host)).status, host).toBe(403);

    const { port: target } = await startEcho();
    const { 'desk.json': file } = await files({ 'desk.json': '' });
    await writeFile(file!, JSON.stringify({ listen: '0', name: 'desk.example', server: { port: target } }));
    const { port } = await startCommand(['--config', file!]);
    expect((await page(() => new RawClient(port), 'desk.example')).status).toBe(101);

    // The certificate names localhost and an address only.
    const { cert, key } = certificate();
    const made = await files({ cert, key });
    const tls = await startCommand(['0', String(target), '--cert', made.cert!, '--key', made.key!]);
    const dialTls = () => new RawClient(connectTls({ port: tls.port, host: '127.0.0.1', ca: cert }));
    const https = (host: string) => page(dialTls, host, { Origin: `https://${host}` });
    expect((await https(`localhost:${tls.port}`)).status).toBe(101);
    expect((await https('rebound.example')).status).toBe(403);
  });

  test('behind a trusted proxy the forwarded host counts, otherwise it does not', async () => {
    const { dial } = await start('--listen', '0', '--trust-proxy', 'loopback', '--name', 'desk.example');
    const forwarded = { 'X-Forwarded-Host': 'desk.example', Origin: 'https://desk.example' };
    expect((await page(dial, 'inner', forwarded)).status).toBe(101);
    const foreign = { 'X-Forwarded-Host': 'rebound.example', Origin: 'https://rebound.example' };
    expect((await page(dial, 'desk.example', foreign)).status).toBe(403);
    const untrusting = await start('--listen', '0', '--name', 'desk.example');
    expect((await page(untrusting.dial, 'inner', forwarded)).status).toBe(403);
  });

  test('a proxy in front of a unix socket is trusted with its names', async () => {
    const { port: target } = await startEcho();
    const { folder } = await files({});
    const { program } = await startCommand(['--unix', `${folder}/s`, String(target)]);
    await program.prints(/listening on unix:/);
    expect((await page(() => new RawClient(connect(`${folder}/s`)), 'public.example')).status).toBe(101);
  });

  test('issue 13, case 16: with --origin same a foreign name gets no tunnel on loopback without a proxy', async () => {
    const { dial } = await start('--listen', '0', '--origin', 'same');
    expect((await page(dial, 'rebound.example')).status).toBe(403);
    expect((await page(dial, 'desk.example', { 'X-Forwarded-For': '192.0.2.1' })).status).toBe(101);
    expect((await page(dial, 'desk.example', { Origin: 'https://desk.example' })).status).toBe(101);
  });

  test('with --allow alone a warning says that pages are not refused', async () => {
    const open = await start('--listen', ':0', '--allow', '127.0.0.1');
    await open.program.prints(
      /warning: every client that can reach :0 from an address of --allow may open a tunnel; limit this with --auth or --tokens/,
    );
    const here = await start('--listen', '127.1:0');
    const everySite = await start('--listen', '0', '--origin', '*');
    await everySite.program.prints(/warning: pages of every site may open tunnels.*--origin has "\*"/);
    await holds(() => expect(here.program.output).toMatch(/^.*listening on .*\n$/));
  });

  test.each([['desk:80'], ['http://desk'], ['a b']])('--name %s is refused at the start', async (name) => {
    const { code, stderr } = await runCommand(['0', '5900', '--name', name]);
    expect(code).toBe(2);
    expect(stderr).toContain(
      `--name must be a host name without a port, such as desk.example.com; got "${name}"`,
    );
  });
});

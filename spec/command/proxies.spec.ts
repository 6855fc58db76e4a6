import { writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { proxyHeader } from '../../src/backends/proxy-header.js';
import { certificate } from '../support/certificate.js';
import { files, runCommand, startCommand } from '../support/command.js';
import { describeWith, Program } from '../support/programs.js';
import { echoes, handshake, openRaw, RawClient } from '../support/raw-client.js';
import { accepts, closedPort, startEcho } from '../support/servers.js';
import { until } from '../support/wait.js';

const CLIENT = '203.0.113.7';
const ends = { address: CLIENT, port: 5001, localAddress: '192.0.2.1', localPort: 443 };

async function target(): Promise<string> {
  return String((await startEcho()).port);
}

/** The status on a connection with the given first bytes; undefined if the connection closes without an answer. */
async function knock(socket: Socket, start: Buffer | string, headers = {}): Promise<number | undefined> {
  const client = new RawClient(socket).send(start, handshake('/', headers));
  const head = await client.head();
  socket.destroy();
  return head === undefined ? undefined : Number(head.split(' ')[1]);
}

/** The command on a new unix socket. */
async function startOnSocket(...args: string[]) {
  const { folder } = await files({});
  const path = join(folder!, 'desk.sock');
  const command = await startCommand(['--unix', path, await target(), ...args]);
  return { ...command, path, dial: () => connect(path) };
}

describe('issue 12, case 13: clients behind a unix socket', () => {
  test.each([
    [['--allow', '10.0.0.0/8'], 'allow'],
    [['--deny', '10.0.0.0/8'], 'deny'],
    [['--balance', 'sticky'], 'balance "sticky"'],
    [['--allow', '10.0.0.0/8', '--trust-proxy', '127.0.0.1'], 'allow'],
  ])(
    '%j needs client addresses: without them the start fails and names the options that help',
    async (args, name) => {
      const { code, stderr } = await runCommand(['--unix', '/tmp/none.sock', '5900', ...args]);
      expect(code).toBe(2);
      expect(stderr).toContain(`${name} needs the client's address`);
      expect(stderr).toMatch(/--trust-proxy unix .*--accept-proxy/);
    },
  );

  test.each<[object]>([
    [{ limits: { perClient: 2 } }],
    [{ rules: [{ url: '/a', deny: ['::1'] }] }],
    [{ rules: [{ when: { not: { any: [{ remoteAddress: '::1' }] } }, pingInterval: 0 }] }],
    [{ rules: [{ url: '/a', else: { balance: 'sticky' } }] }],
    [{ limits: { perClient: 2 }, trustProxy: true }],
    [{ limits: { perClient: 2 }, trustProxy: '10.0.0.0/8, loopback' }],
  ])('the same options in JSON fail in the same way: %j', async (options) => {
    const { 'desk.json': file } = await files({ 'desk.json': '' });
    await writeFile(file!, JSON.stringify({ listen: ['0', 'unix:s'], server: { port: 1 }, ...options }));
    const { code, stderr } = await runCommand(['--config', file!]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/needs the client's address, which connections to unix:.* lack/);
  });

  test("--trust-proxy unix takes the client's address from the proxy's header", async () => {
    const { dial, program } = await startOnSocket('--trust-proxy', 'unix', '--deny', CLIENT, '-v');
    expect(await knock(dial(), '', { 'X-Forwarded-For': CLIENT })).toBe(403);
    // The last address counts: the client can write the addresses before the last.
    expect(await knock(dial(), '', { 'X-Forwarded-For': `10.0.0.1, ${CLIENT}` })).toBe(403);
    expect(await knock(dial(), '', { 'X-Forwarded-For': `${CLIENT}, 10.0.0.1` })).toBe(101);
    await program.prints(/^open {4}10\.0\.0\.1 /m);
  });

  test('--trust-proxy unix trusts no client of a TCP port', async () => {
    const { folder } = await files({});
    const args = ['--unix', join(folder!, 's'), '--listen', '0', await target(), '--deny', CLIENT];
    const { port } = await startCommand([...args, '--trust-proxy', 'unix']);
    const forged = { 'X-Forwarded-For': CLIENT };
    expect(await knock(connect(port, '127.0.0.1'), '', forged)).toBe(101);
    expect(await knock(connect(join(folder!, 's')), '', forged)).toBe(403);
  });

  test('perClient counts the tunnels of each address separately', async () => {
    const { folder, 'desk.json': file } = await files({ 'desk.json': '' });
    const path = join(folder!, 's');
    const options = { listen: `unix:${path}`, trustProxy: ['unix'], limits: { perClient: 1 } };
    await writeFile(file!, JSON.stringify({ ...options, server: { port: Number(await target()) } }));
    await startCommand(['--config', file!]);
    const from = (address: string) => openRaw(connect(path), '/', { 'X-Forwarded-For': address });
    await echoes(await from('192.0.2.1'));
    await echoes(await from('192.0.2.2'));
    await expect(from('192.0.2.1')).rejects.toThrow('429');
  });
});

describe('issue 12, case 13: connections that begin with a PROXY header', () => {
  test.each([1, 2] as const)(
    "version %i: app, address lists and events see the client's address",
    async (version) => {
      const { port, program } = await startCommand([
        '0',
        await target(),
        '--accept-proxy',
        '--deny',
        CLIENT,
        '-v',
      ]);
      const dial = () => connect(port, '127.0.0.1');
      expect(await knock(dial(), proxyHeader(version, ends))).toBe(403);
      await program.prints(/^refuse {2}203\.0\.113\.7 .*: 403 /m);
      expect(await knock(dial(), proxyHeader(version, { ...ends, address: '203.0.113.8' }))).toBe(101);
      await program.prints(/^open {4}203\.0\.113\.8 /m);
      const v6 = { ...ends, address: '2001:db8::7', localAddress: '2001:db8::1' };
      expect(await knock(dial(), proxyHeader(version, v6))).toBe(101);
      await program.prints(/^open {4}2001:db8::7 /m);
      // The client forges X-Forwarded-For.
      expect(await knock(dial(), proxyHeader(version, ends), { 'X-Forwarded-For': '192.0.2.5' })).toBe(403);
    },
  );

  test('a header in single bytes, or in one segment with the request, is read', async () => {
    const { port } = await startCommand(['0', await target(), '--accept-proxy']);
    for (const version of [1, 2] as const) {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      const client = new RawClient(socket);
      for (const byte of proxyHeader(version, ends)) {
        client.send(Buffer.from([byte]));
        await new Promise((resolve) => setImmediate(resolve));
      }
      client.send(handshake('/'));
      expect((await client.answer()).status).toBe(101);
      await echoes(client);
      const whole = new RawClient(port).send(proxyHeader(version, ends), handshake('/'));
      expect((await whole.answer()).status).toBe(101);
      await echoes(whole);
    }
  });

  test("pages and several requests on one connection get the client's address", async () => {
    const { folder } = await files({ 'index.html': 'desk' });
    const { port } = await startCommand(['0', await target(), '--accept-proxy', '--web', folder!]);
    const get = (more = '') => `GET / HTTP/1.1\r\nHost: x\r\n${more}\r\n`;
    const client = new RawClient(port).send(proxyHeader(2, ends), get(), get('Connection: close\r\n'));
    expect((await client.rest()).toString().match(/\r\n\r\ndesk/g)).toHaveLength(2);
  });

  test('the header is read before the TLS handshake', async () => {
    const { cert, key } = certificate();
    const made = await files({ cert, key });
    const tls = ['--cert', made.cert!, '--key', made.key!];
    const { port, program } = await startCommand([
      '0',
      await target(),
      '--accept-proxy',
      '--deny',
      CLIENT,
      '-v',
      ...tls,
    ]);
    for (const [address, status] of [
      [CLIENT, 403],
      ['203.0.113.9', 101],
    ] as const) {
      const raw = connect(port, '127.0.0.1');
      raw.write(proxyHeader(2, { ...ends, address }));
      const socket = connectTls({ socket: raw, host: '127.0.0.1', ca: cert });
      expect(await knock(socket, '')).toBe(status);
    }
    await program.prints(/^open {4}203\.0\.113\.9 /m);
  });

  test("UNKNOWN and LOCAL keep the peer's address", async () => {
    const { port, program } = await startCommand(['0', await target(), '--accept-proxy', '-v']);
    const local = Buffer.concat([proxyHeader(2, ends).subarray(0, 12), Buffer.from([0x20, 0, 0, 0])]);
    for (const header of [Buffer.from('PROXY UNKNOWN\r\n'), local])
      expect(await knock(connect(port, '127.0.0.1'), header)).toBe(101);
    await until(() => (program.output.match(/^open {4}127\.0\.0\.1 /gm) ?? []).length === 2);
  });

  test.each([
    '',
    'GET / HTTP/1.1\r\n\r\n',
    'PROXY TCP4 x y 1 2\r\n',
    'PROXY TCP4 1.2.3.4',
    '\r\n\r\n\0\r\nQUIT\n',
  ])('a connection that begins with %j is closed without an answer', async (start) => {
    const { port } = await startCommand(['0', await target(), '--accept-proxy']);
    const client = new RawClient(port).send(start, start === '' ? handshake('/') : '');
    client.socket.end();
    expect((await client.rest()).toString()).toBe('');
  });

  test('a connection that never sends its header is closed after a few seconds', async () => {
    const { port } = await startCommand(['0', await target(), '--accept-proxy']);
    const rests = ['', 'PROXY TCP4 '].map((start) => new RawClient(port).send(start).rest());
    expect((await Promise.all(rests)).map(String)).toEqual(['', '']);
  });

  test('a peer outside of the trusted addresses cannot set its address', async () => {
    const { port, program } = await startCommand([
      '0',
      await target(),
      '--accept-proxy',
      '--trust-proxy',
      '127.0.0.2',
    ]);
    const dial = (localAddress: string) => connect({ port, host: '127.0.0.1', localAddress });
    expect(await knock(dial('127.0.0.1'), proxyHeader(1, ends))).toBeUndefined();
    await program.prints(/127\.0\.0\.1 was closed: --trust-proxy does not list it/);
    expect(await knock(dial('127.0.0.2'), proxyHeader(1, ends))).toBe(101);
  });

  test('X-Forwarded-For is ignored next to a PROXY header', async () => {
    const args = ['0', await target(), '--accept-proxy', '--trust-proxy', 'loopback', '--deny', '127.0.0.9'];
    const { port } = await startCommand(args);
    const header = proxyHeader(1, { ...ends, address: '127.0.0.9', localAddress: '127.0.0.1' });
    const forged = { 'X-Forwarded-For': '192.0.2.5' };
    expect(await knock(connect(port, '127.0.0.1'), header, forged)).toBe(403);
  });

  test('on a unix socket the header gives clients an address', async () => {
    const { dial, program } = await startOnSocket('--accept-proxy', '--deny', CLIENT, '-v');
    expect(await knock(dial(), proxyHeader(1, ends))).toBe(403);
    expect(await knock(dial(), proxyHeader(2, { ...ends, address: '192.0.2.3' }))).toBe(101);
    await program.prints(/^open {4}192\.0\.2\.3 /m);
    // A byte proxy forwards any Host, so the server's names are still checked.
    const rebound = { Host: 'rebound.example', Origin: 'http://rebound.example' };
    expect(await knock(dial(), proxyHeader(2, { ...ends, address: '192.0.2.3' }), rebound)).toBe(403);
  });

  test('--trust-proxy without addresses is refused', async () => {
    const { code, stderr } = await runCommand(['0', '5900', '--accept-proxy', '--trust-proxy', 'x']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/--trust-proxy must list addresses, ranges, "loopback" or "unix": x/);
  });
});

/** Starts a proxy, waits for the listener, and ends the proxy after the test. */
async function running(program: Program, port: number): Promise<void> {
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`it ended: ${program.output}`);
    return accepts({ port });
  });
}

const dialFrom = (port: number, localAddress: string) => connect({ port, host: '127.0.0.1', localAddress });

describeWith('nginx')('issue 12, case 13: behind nginx', () => {
  async function startNginx(http: string, port: number): Promise<void> {
    const { folder } = await files({});
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (one) => `${one}_temp_path ${folder}/${one};`,
    );
    const conf = `daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr error;
      events { worker_connections 64; }
      http { access_log off; ${temporary.join(' ')}
        server { listen 127.0.0.1:${port}; location / { ${http} } } }`;
    await writeFile(join(folder!, 'nginx.conf'), conf);
    await running(new Program('nginx', ['-p', folder!, '-c', 'nginx.conf', '-e', 'stderr']), port);
  }

  test('over a unix socket with --trust-proxy unix, address lists and events see the clients', async () => {
    const { path, program } = await startOnSocket('--trust-proxy', 'unix', '--deny', '127.0.0.5', '-v');
    const port = await closedPort();
    await startNginx(
      `proxy_pass http://unix:${path}; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade;
       proxy_set_header Connection upgrade; proxy_set_header Host $http_host;
       proxy_set_header X-Forwarded-For $remote_addr;`,
      port,
    );
    expect(await knock(dialFrom(port, '127.0.0.5'), '')).toBe(403);
    const client = await openRaw(dialFrom(port, '127.0.0.6'));
    await echoes(client);
    await program.prints(/^open {4}127\.0\.0\.6 /m);
  });
});

describeWith('haproxy')('issue 12, case 13: behind HAProxy in TCP mode', () => {
  test.each(['send-proxy', 'send-proxy-v2', 'send-proxy-v2-ssl check'])(
    '%s: address lists and events see the clients',
    async (mode) => {
      const { folder } = await files({});
      for (const isSocket of [false, true]) {
        const listening = isSocket ? ['--unix', join(folder!, 's')] : ['--listen', '0'];
        const args = [...listening, await target(), '--accept-proxy', '--deny', '127.0.0.5', '-v'];
        const command = await startCommand(args);
        const port = await closedPort();
        const server = isSocket ? `unix@${folder}/s` : `127.0.0.1:${command.port}`;
        const conf = `defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen desk
  bind 127.0.0.1:${port}
  server desk ${server} ${mode}
`;
        const cfg = join(folder!, `haproxy-${isSocket}.cfg`);
        await writeFile(cfg, conf);
        await running(new Program('haproxy', ['-db', '-q', '-f', cfg]), port);
        expect(await knock(dialFrom(port, '127.0.0.5'), '')).toBe(403);
        await echoes(await openRaw(dialFrom(port, '127.0.0.6')));
        await command.program.prints(/^open {4}127\.0\.0\.6 /m);
      }
    },
  );
});

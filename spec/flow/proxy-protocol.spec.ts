import { connect } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { certificate } from '../support/certificate.js';
import { describeWith } from '../support/programs.js';
import { startProxyProtocol } from '../support/proxies.js';
import { frame, openRaw, requestTunnel } from '../support/raw-client.js';
import { makeTunnel, startApp, startBackend, startEcho, startTunnel } from '../support/servers.js';
import { until } from '../support/wait.js';

describe('the PROXY header to the backend', () => {
  test('contains address and port of the client', async () => {
    const backend = await startBackend();
    const { port } = await startTunnel({ server: { port: backend.port, proxyProtocol: 1 } });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    const line = `PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${port}\r\n`;
    await until(() => backend.received().toString() === `${line}hello`);
  });

  test('contains the result of clientAddress, without the port of the proxy in front', async () => {
    const backend = await startBackend();
    const server = { port: backend.port, proxyProtocol: 1 as const };
    const { port } = await startTunnel({ server, clientAddress: () => '2001:DB8::7' });
    await openRaw(port);
    await until(
      () => backend.received().toString() === `PROXY TCP6 2001:db8::7 ::ffff:127.0.0.1 0 ${port}\r\n`,
    );
  });

  test('contains the address that a trusted proxy reports', async () => {
    const backend = await startBackend();
    const tunnel = makeTunnel({ server: { port: backend.port, proxyProtocol: 1 } });
    const { port } = await startApp((app) => app.set('trust proxy', 'loopback').use('/tunnel', tunnel));
    requestTunnel(port, '/tunnel', { 'X-Forwarded-For': '192.0.2.7' });
    await until(() => backend.received().toString() === `PROXY TCP4 192.0.2.7 127.0.0.1 0 ${port}\r\n`);
  });

  test('comes before TLS', async () => {
    const secure = createTls(certificate(), (socket) => socket.on('error', () => undefined).pipe(socket));
    let told = '';
    // Removes the header and passes the rest to TLS, as a server with PROXY protocol support does.
    const backend = await startBackend((socket) => {
      socket.removeAllListeners('data');
      socket.once('data', (chunk: Buffer) => {
        const end = chunk.indexOf('\r\n') + 2;
        told = chunk.toString('latin1', 0, end);
        socket.pause();
        if (chunk.length > end) socket.unshift(chunk.subarray(end));
        secure.emit('connection', socket);
      });
    });
    const { port } = await startTunnel({
      server: { port: backend.port, proxyProtocol: 1, tls: { ca: certificate().cert } },
    });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    expect((await client.payload(5)).toString()).toBe('hello');
    expect(told).toBe(`PROXY TCP4 127.0.0.1 127.0.0.1 ${client.socket.localPort} ${port}\r\n`);
  });
});

describeWith('haproxy', 'openssl')('a real HAProxy that requires the PROXY header', () => {
  test.each([
    [1, false],
    [2, false],
    [1, true],
    [2, true],
  ] as const)('accepts version %d, TLS: %s, and passes the address on', async (version, tls) => {
    const behind = await startBackend((socket) => socket.once('data', (chunk) => socket.write(chunk)));
    const proxy = await startProxyProtocol(behind.port, tls);
    const { port } = await startTunnel({
      server: { port: proxy.port, proxyProtocol: version, ...(tls && { tls: { ca: proxy.cert } }) },
      clientAddress: () => '192.0.2.77',
    });
    const client = (await openRaw(port)).send(frame(2, 'hello'));
    // HAProxy sends a new header to the backend, with the client address from our header.
    await until(() => behind.received().includes('hello'));
    expect(behind.received().toString()).toMatch(/^PROXY TCP4 192\.0\.2\.77 127\.0\.0\.1 0 \d+\r\nhello$/);
    await client.payload(5);
  });

  test('refuses the connection without it', async () => {
    const behind = await startEcho();
    const proxy = await startProxyProtocol(behind.port, false);
    const socket = connect(proxy.port, '127.0.0.1').on('error', () => undefined);
    socket.write('hello\r\n');
    await new Promise((resolve) => socket.resume().on('close', resolve));
  });
});

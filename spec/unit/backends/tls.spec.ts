import { once } from 'node:events';
import { createServer as createPlain } from 'node:net';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { describe, expect, test, vi } from 'vitest';
import { dial } from '../../../src/backends/dial.js';
import type { Host } from '../../../src/index.js';
import { readHosts } from '../../../src/options/read-hosts.js';
import { certificate, makeCertificate } from '../../support/certificate.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

const never = new AbortController().signal;
const ca = () => certificate().cert;

async function startTls(options: TlsOptions = {}, path?: string) {
  const accepted: TLSSocket[] = [];
  const server = createServer({ ...certificate(), ...options, allowHalfOpen: true }, (socket) => {
    socket.on('error', () => undefined);
    accepted.push(socket);
  });
  server.on('tlsClientError', () => undefined);
  await listen(server, path);
  return { port: path === undefined ? portOf(server) : 0, accepted };
}

async function dialled(host: Host): Promise<TLSSocket> {
  const socket = (await dial(readHosts(host, 'server')[0]!, never)) as TLSSocket;
  onCleanup(() => socket.destroy());
  return socket;
}

const failure = (host: Host) =>
  dialled(host).then(
    () => undefined,
    (error: unknown) => error,
  );
const refused = (message: RegExp) => ({
  code: 'WSTUNNEL_BACKEND_REFUSED',
  status: 502,
  body: 'the backend could not be reached\n',
  cause: { message: expect.stringMatching(message) as string },
});

describe('a TLS backend that listens', () => {
  test('with a private authority gives a paused, half-open socket without leftover listeners', async () => {
    const { port, accepted } = await startTls();
    const socket = await dialled({ host: 'localhost', port, tls: { ca: ca() } });
    expect(socket.authorized).toBe(true);
    expect(socket.isPaused()).toBe(true);
    expect(socket.listenerCount('secureConnect')).toBe(0);
    await until(() => accepted.length === 1);
    expect(accepted[0]!.servername).toBe('localhost');
    accepted[0]!.end('banner');
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
    await once(socket, 'end');
    expect(Buffer.concat(chunks).toString()).toBe('banner');
    expect(socket.writable).toBe(true);
    socket.write('last words');
    const [heard] = (await once(accepted[0]!, 'data')) as [Buffer];
    expect(heard.toString()).toBe('last words');
  });

  test('gets no server name if it is given by address', async () => {
    const { port, accepted } = await startTls();
    await dialled({ port, tls: { ca: ca() } });
    await until(() => accepted.length === 1);
    expect(accepted[0]!.servername).toBe(false);
  });

  test('is reached by a unix socket, with the given server name', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'wstunnel-tls-'));
    onCleanup(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 's');
    const { accepted } = await startTls({}, path);
    await dialled({ socket: path, tls: { ca: ca(), servername: 'localhost' } });
    await until(() => accepted.length === 1);
    expect(accepted[0]!.servername).toBe('localhost');
  });

  test('gets the client certificate', async () => {
    const own = makeCertificate({ name: 'client' });
    const { port, accepted } = await startTls({ requestCert: true, rejectUnauthorized: true, ca: own.cert });
    await dialled({ port, tls: { ca: ca(), cert: own.cert, key: own.key } });
    await until(() => accepted.length === 1);
    expect(accepted[0]!.getPeerCertificate().subject.CN).toBe('client');
  });

  test('is used without verification only if the option allows it', async () => {
    const { port } = await startTls();
    expect(await failure({ port, tls: true })).toMatchObject(refused(/self.signed/));
    const socket = await dialled({ port, tls: { rejectUnauthorized: false } });
    expect(socket.authorized).toBe(false);
  });

  test('gets a session resumed, by the same settings only', async () => {
    const { port, accepted } = await startTls();
    const hosts = [
      readHosts({ port, tls: { ca: ca() } }, 'server')[0]!,
      readHosts({ port, tls: { ca: ca() } }, 'x')[0]!,
    ];
    const reused: boolean[] = [];
    for (const host of [hosts[0]!, hosts[0]!, hosts[1]!]) {
      const socket = (await dial(host, never)) as TLSSocket;
      reused.push(socket.isSessionReused());
      // In TLS 1.3 the session ticket arrives after the handshake.
      await until(() => accepted.length === reused.length);
      accepted.at(-1)!.write('x');
      await once(socket.resume(), 'data');
      socket.destroy();
    }
    expect(reused).toEqual([false, true, false]);
  });
});

describe('a TLS backend fails with 502 if', () => {
  test('the certificate is for another name', async () => {
    const { port } = await startTls();
    const lookup = vi.fn((_name: string, _options: object, done: (error: null, all: object[]) => void) =>
      done(null, [{ address: '127.0.0.1', family: 4 }]),
    );
    const host = { host: 'other.test', port, lookup: lookup as never, tls: { ca: ca() } };
    expect(await failure(host)).toMatchObject(refused(/does not match/));
  });

  test('the certificate has expired', async () => {
    const old = makeCertificate({ expired: true });
    const { port } = await startTls(old);
    expect(await failure({ port, tls: { ca: old.cert } })).toMatchObject(refused(/expired/));
  });

  test('the backend does not speak TLS, or disconnects during the handshake', async () => {
    for (const answer of ['RFB 003.008\n', undefined]) {
      const server = createPlain((socket) => {
        socket.on('error', () => undefined);
        if (answer === undefined) socket.once('data', () => socket.destroy());
        else socket.write(answer);
      });
      await listen(server);
      expect(await failure({ port: portOf(server), tls: true })).toMatchObject(refused(/./));
    }
  });

  test('a client certificate is required and missing', async () => {
    const { port } = await startTls({ requestCert: true, rejectUnauthorized: true, maxVersion: 'TLSv1.2' });
    expect(await failure({ port, tls: { ca: ca() } })).toMatchObject(refused(/./));
  });
});

test('a stalled handshake fails with 504 after connectTimeout, and the connection is closed', async () => {
  const gone: boolean[] = [];
  const server = createPlain((socket) => {
    socket.on('error', () => undefined).resume();
    socket.on('close', () => gone.push(true));
  });
  await listen(server);
  expect(await failure({ port: portOf(server), tls: true, connectTimeout: 0.1 })).toMatchObject({
    code: 'WSTUNNEL_BACKEND_TIMEOUT',
    status: 504,
  });
  await until(() => gone.length === 1);
});

test('an abort ends the handshake', async () => {
  const controller = new AbortController();
  const reason = new Error('gone');
  const server = createPlain((socket) => {
    socket.on('error', () => undefined).resume();
    controller.abort(reason);
  });
  await listen(server);
  const [host] = readHosts({ port: portOf(server), tls: true }, 'server');
  await expect(dial(host!, controller.signal)).rejects.toBe(reason);
});

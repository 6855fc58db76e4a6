import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { beforeEach, describe, expect, test } from 'vitest';
import type { Host } from '../../src/index.js';
import { PooledReads } from '../../src/streams/pooled-reads.js';
import { onCleanup } from '../support/cleanup.js';
import { describeWith, Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';
import { logIn } from '../support/vnc-server.js';
import { until } from '../support/wait.js';

/** More than the 8 bytes that VNC authentication compares. */
const PASSWORD = 'pass wörd';
const RIGHT = { username: '', password: PASSWORD };
const WRONG = { username: '', password: 'passwörd' };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wstunnel-vnc-'));
  onCleanup(() => rmSync(folder, { recursive: true }));
});

/** The password file of both servers, written by x11vnc. */
function passwordFile(): string {
  const path = join(folder, 'passwd');
  execFileSync('x11vnc', ['-storepasswd', PASSWORD, path], { stdio: 'ignore' });
  return path;
}

/** A self-signed RSA certificate. */
function rsaCertificate(): { key: string; cert: string; both: string } {
  const key = join(folder, 'key.pem');
  const cert = join(folder, 'cert.pem');
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const how = ['-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', ...how, ...names], { stdio: 'ignore' });
  const both = join(folder, 'both.pem');
  writeFileSync(both, execFileSync('cat', [key, cert]));
  return { key, cert, both };
}

const OK_NAME = /^[\x20-\x7e]+$/;

/** Sends ClientInit and waits for the ServerInit, whose last field is the name of the desktop (RFC 6143 section 7.3.2). */
async function nameOfDesktop(stream: Duplex): Promise<string> {
  let all = Buffer.alloc(0);
  const onData = (bytes: Buffer) => (all = Buffer.concat([all, bytes]));
  const reads = PooledReads.of(stream);
  if (reads) reads.start((bytes) => void onData(Buffer.from(bytes)), 65_536);
  else stream.on('data', onData);
  stream.write(Buffer.of(1));
  stream.resume();
  await until(() => all.length >= 24 && all.length >= 24 + all.readUInt32BE(20));
  return all.toString('utf8', 24, 24 + all.readUInt32BE(20));
}

async function startXvnc(...args: string[]): Promise<Host> {
  const port = await closedPort();
  const server = new Program('Xtigervnc', [
    ...['-displayfd', '3', '-rfbport', String(port), '-localhost', '-geometry', '200x100'],
    ...args,
  ]);
  await server.prints(/^(\d+)\n/m);
  return { host: 'localhost', port };
}

async function startX11vnc(...args: string[]): Promise<Host> {
  const screen = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', '200x100x24', '-nolisten', 'tcp']);
  const [, number = ''] = await screen.prints(/^(\d+)\n/m);
  const port = await closedPort();
  const vnc = new Program('x11vnc', [
    ...['-display', `:${number}`, '-rfbport', String(port), '-localhost', '-forever', '-norc', ...args],
  ]);
  await vnc.prints(/PORT=\d+/);
  return { host: 'localhost', port };
}

const rejected = { code: 'WSTUNNEL_VNC_REFUSED', message: 'the VNC server rejected the password' };

describeWith('Xtigervnc', 'x11vnc', 'openssl')('a login to TigerVNC', { timeout: 60_000 }, () => {
  test('without authentication', async () => {
    const host = await startXvnc('-SecurityTypes', 'None');
    expect(await nameOfDesktop(await logIn(host, RIGHT))).toMatch(OK_NAME);
  });

  test('with VNC authentication: the right password opens, a wrong one is rejected, five lock out', async () => {
    const host = await startXvnc('-SecurityTypes', 'VncAuth', '-rfbauth', passwordFile());
    expect(await nameOfDesktop(await logIn(host, RIGHT))).toMatch(OK_NAME);
    for (let failures = 0; failures < 5; failures++)
      await expect(logIn(host, WRONG)).rejects.toMatchObject(rejected);
    // The reason for LoginPauses: now the right password is refused as well.
    for (let tries = 0; ; tries++) {
      const error = (await logIn(host, tries === 0 ? RIGHT : WRONG).catch(
        (reason: unknown) => reason,
      )) as Error;
      if (error.message === rejected.message && tries < 5) continue;
      expect(error).toMatchObject({
        message: 'the VNC server refuses logins after too many failures',
        detail: expect.stringMatching(/too many/i) as string,
      });
      break;
    }
  });

  test.each(['X509None', 'X509Vnc'])('with %s, whose certificate is verified', async (type) => {
    const { key, cert } = rsaCertificate();
    const host = await startXvnc(
      ...['-SecurityTypes', type, '-rfbauth', passwordFile(), '-X509Key', key, '-X509Cert', cert],
    );

    const tls = { ca: readFileSync(cert), servername: 'localhost' };
    expect(await nameOfDesktop(await logIn({ ...host, tls }, RIGHT))).toMatch(OK_NAME);
    await expect(logIn({ ...host, tls: true }, RIGHT)).rejects.toMatchObject({
      message: 'the TLS handshake with the VNC server failed',
    });
    await expect(logIn(host, RIGHT)).rejects.toMatchObject({
      message: 'the VNC server asks for TLS, and the host has no "tls"',
    });
    if (type === 'X509Vnc') await expect(logIn({ ...host, tls }, WRONG)).rejects.toMatchObject(rejected);
  });

  test('with X509Plain: a wrong user is rejected', async () => {
    const { key, cert } = rsaCertificate();
    const host = await startXvnc(
      '-SecurityTypes',
      'X509Plain',
      '-PlainUsers',
      '*',
      '-X509Key',
      key,
      '-X509Cert',
      cert,
    );
    const tls = { rejectUnauthorized: false };
    await expect(
      logIn({ ...host, tls }, { username: 'nobody-of-this-name', password: 'x' }),
    ).rejects.toMatchObject({ message: 'the VNC server rejected the user name or the password' });
    await expect(logIn({ ...host, tls }, RIGHT)).rejects.toMatchObject({
      message: 'the VNC server asks for a user name, and "vnc" has no "username"',
    });
  });

  test.each(['TLSNone', 'TLSVnc'])('with %s, only where any certificate is accepted', async (type) => {
    const host = await startXvnc('-SecurityTypes', type, '-rfbauth', passwordFile());
    const tls = { rejectUnauthorized: false };
    expect(await nameOfDesktop(await logIn({ ...host, tls }, RIGHT))).toMatch(OK_NAME);
    await expect(logIn({ ...host, tls: true }, RIGHT)).rejects.toMatchObject({
      message: 'the VNC server has no certificate for TLS',
    });
  });
});

describeWith('Xvfb', 'x11vnc', 'openssl')('a login to x11vnc', { timeout: 60_000 }, () => {
  describe.each(['3.3', '3.7', '3.8'])('of version %s', (version) => {
    test('with a password', async () => {
      const host = await startX11vnc('-rfbversion', version, '-rfbauth', passwordFile());
      expect(await nameOfDesktop(await logIn(host, RIGHT))).toMatch(OK_NAME);
      await expect(logIn(host, WRONG)).rejects.toMatchObject(rejected);
    });

    test('without a password', async () => {
      const host = await startX11vnc('-rfbversion', version, '-nopw');
      expect(await nameOfDesktop(await logIn(host, RIGHT))).toMatch(OK_NAME);
    });
  });

  test('with TLS from the first byte, or VeNCrypt, whichever the server begins', async () => {
    const { cert, both } = rsaCertificate();

    const tls = { ca: readFileSync(cert), servername: 'localhost' };
    const host = await startX11vnc('-rfbauth', passwordFile(), '-ssl', both);
    expect(await nameOfDesktop(await logIn({ ...host, tls }, RIGHT))).toMatch(OK_NAME);
    // The helper process of x11vnc forwards TLS, and may end before it has sent the reason.
    await expect(logIn({ ...host, tls }, WRONG)).rejects.toMatchObject({
      code: rejected.code,
      message: expect.stringMatching(/rejected the password|closed the connection/) as string,
    });
  });

  test('with TLS from the first byte only', async () => {
    const { cert, both } = rsaCertificate();

    const tls = { ca: readFileSync(cert), servername: 'localhost' };
    const args = ['-ssl', both, '-vencrypt', 'never', '-anontls', 'never'];
    const host = await startX11vnc('-rfbauth', passwordFile(), ...args);
    expect(await nameOfDesktop(await logIn({ ...host, tls }, RIGHT))).toMatch(OK_NAME);
  });
});

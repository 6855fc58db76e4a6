import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Host } from '../../src/index.js';
import { certificate } from '../support/certificate.js';
import { onCleanup } from '../support/cleanup.js';
import { Program } from '../support/programs.js';
import { closedPort } from '../support/servers.js';

/** A desktop of 800x500 pixels with a shell in an xterm, and the VNC server in front of it, which asks for a password. */
export interface SecuredDesktop {
  readonly host: Host;
  /** What the shell has written to `$P`. */
  written(): Promise<string>;
  /** The output of the VNC server. */
  log(): string;
}

/** A real VNC server, and the programs that it needs. */
export interface VncServer {
  readonly name: string;
  readonly programs: readonly string[];
  /** Can a viewer change the size of the desktop? */
  readonly canResize: boolean;
  readonly start: (password: string) => Promise<SecuredDesktop>;
}

/** The three kinds of login that `vnc` answers, by real servers. */
export const VNC_SERVERS: readonly VncServer[] = [
  { name: 'x11vnc', programs: ['Xvfb', 'xterm', 'x11vnc'], canResize: false, start: startX11vnc },
  {
    name: 'TigerVNC with VncAuth',
    programs: ['Xvnc', 'xterm', 'x11vnc'],
    canResize: true,
    start: (password) => startTigerVnc(password, ['-SecurityTypes', 'VncAuth'], {}),
  },
  {
    name: 'TigerVNC with X509Vnc',
    programs: ['Xvnc', 'xterm', 'x11vnc', 'openssl'],
    canResize: true,
    start: startX509Vnc,
  },
];

async function startX11vnc(password: string): Promise<SecuredDesktop> {
  const folder = await makeFolder();
  const screen = new Program('Xvfb', ['-displayfd', '3', '-screen', '0', '800x500x24', '-nolisten', 'tcp']);
  const display = await displayOf(screen);
  const port = await closedPort();
  const server = new Program('x11vnc', [
    ...['-display', display, '-rfbport', String(port), '-rfbauth', passwordFile(folder, password)],
    ...['-localhost', '-forever', '-shared', '-noxdamage', '-norc'],
  ]);
  await server.prints(/PORT=\d+/);
  return { host: { host: '127.0.0.1', port }, ...startShell(folder, display), log: () => server.output };
}

async function startX509Vnc(password: string): Promise<SecuredDesktop> {
  const folder = await makeFolder();
  const { cert, key } = certificate();
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(certFile, cert);
  await writeFile(keyFile, key, { mode: 0o600 });
  const args = ['-SecurityTypes', 'X509Vnc', '-X509Cert', certFile, '-X509Key', keyFile];
  return startTigerVnc(password, args, { tls: { ca: cert } });
}

async function startTigerVnc(
  password: string,
  security: string[],
  more: Partial<Host>,
): Promise<SecuredDesktop> {
  const folder = await makeFolder();
  const port = await closedPort();
  const server = new Program('Xvnc', [
    ...['-displayfd', '3', '-rfbport', String(port), '-localhost', '-geometry', '800x500', '-depth', '24'],
    ...['-rfbauth', passwordFile(folder, password), ...security],
  ]);
  const display = await displayOf(server);
  const host = { host: '127.0.0.1', port, ...more };
  return { host, ...startShell(folder, display), log: () => server.output };
}

/** Both X servers choose a free display and write its number to descriptor 3. */
async function displayOf(server: Program): Promise<string> {
  const [, number = ''] = await server.prints(/^(\d+)\n/m);
  return `:${number}`;
}

async function makeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-vnc-'));
  onCleanup(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Debian's TigerVNC has no `vncpasswd` of its own, and the format of x11vnc is the same. */
function passwordFile(folder: string, password: string): string {
  const path = join(folder, 'password');
  execFileSync('x11vnc', ['-storepasswd', password, path], { stdio: 'pipe', timeout: 30_000 });
  return path;
}

function startShell(folder: string, display: string): Pick<SecuredDesktop, 'written'> {
  const proof = join(folder, 'p');
  new Program('xterm', ['-geometry', '100x30+0+0', '-e', 'sh'], { DISPLAY: display, PS1: '$ ', P: proof });
  return { written: () => readFile(proof, 'utf8').catch(() => '') };
}

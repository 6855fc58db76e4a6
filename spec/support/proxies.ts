import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { certificate } from './certificate.js';
import { onCleanup } from './cleanup.js';
import { Program } from './programs.js';
import { accepts, closedPort } from './servers.js';
import { until } from './wait.js';

/** A proxy that ends TLS on loopback and speaks plain HTTP to an app. */
export interface Proxy {
  readonly port: number;
  /** A client whose address differs from the proxy's. */
  dial(): TLSSocket;
}

/** The address of clients; the proxies connect from 127.0.0.1. */
export const CLIENT = '127.0.0.5';

/** Deviations from the usual proxy: the app gets another Host, and the client's Host in X-Forwarded-Host. */
interface ProxyOptions {
  readonly hidesHost?: boolean;
}

/** The nginx of demo/recipes/behind-nginx.conf. */
export async function startNginx(app: number, { hidesHost = false }: ProxyOptions = {}): Promise<Proxy> {
  const { folder, port, key, cert } = await prepare();
  let recipe = await readFile(new URL('../../demo/recipes/behind-nginx.conf', import.meta.url), 'utf8');
  const changes: [RegExp, string][] = [
    [/listen\s+443 ssl;/, `listen 127.0.0.1:${port} ssl;`],
    [/ssl_certificate\s.*?;/, `ssl_certificate ${cert};`],
    [/ssl_certificate_key\s.*?;/, `ssl_certificate_key ${key};`],
    [/proxy_pass\s.*?;/, `proxy_pass http://127.0.0.1:${app};`],
  ];
  const hidden = 'proxy_set_header Host app.internal; proxy_set_header X-Forwarded-Host $http_host;';
  if (hidesHost) changes.push([/proxy_set_header Host\s.*?;/, hidden]);
  for (const [line, ours] of changes) {
    if (!line.test(recipe)) throw new Error(`behind-nginx.conf has no ${line.source}`);
    recipe = recipe.replace(line, () => ours);
  }
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const lines = [
    // One process, so that ending the process ends everything.
    'daemon off; master_process off;',
    `pid ${folder}/nginx.pid; error_log stderr error;`,
    'events { worker_connections 64; }',
    `http { access_log off; ${folders.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')}`,
    recipe,
    '}',
  ];
  await writeFile(join(folder, 'nginx.conf'), lines.join('\n'));
  return running(port, new Program('nginx', ['-p', folder, '-c', 'nginx.conf', '-e', 'stderr']));
}

/** HAProxy in http mode. */
export async function startHaproxy(app: number, { hidesHost = false }: ProxyOptions = {}): Promise<Proxy> {
  const { folder, port, key, cert } = await prepare();
  const both = join(folder, 'both.pem');
  await writeFile(both, Buffer.concat([await readFile(cert), await readFile(key)]));
  const hidden = [
    '  http-request set-header X-Forwarded-Host %[req.hdr(Host)]',
    '  http-request set-header Host app.internal',
  ];
  const lines = [
    'defaults',
    '  mode http',
    '  timeout connect 5s',
    '  timeout client 30s',
    '  timeout server 30s',
    '  timeout tunnel 1h',
    'frontend web',
    `  bind 127.0.0.1:${port} ssl crt ${both}`,
    '  option forwardfor',
    '  http-request set-header X-Forwarded-Proto https',
    ...(hidesHost ? hidden : []),
    '  default_backend app',
    'backend app',
    `  server app 127.0.0.1:${app}`,
    '',
  ];
  await writeFile(join(folder, 'haproxy.cfg'), lines.join('\n'));
  return running(port, new Program('haproxy', ['-db', '-q', '-f', join(folder, 'haproxy.cfg')]));
}

/** HAProxy that accepts only connections with the PROXY protocol, and sends a PROXY header to the server `behind`. */
export async function startProxyProtocol(
  behind: number,
  tls: boolean,
): Promise<{ port: number; cert: Buffer }> {
  const { folder, port, key, cert } = await prepare();
  const both = join(folder, 'both.pem');
  await writeFile(both, Buffer.concat([await readFile(cert), await readFile(key)]));
  const lines = [
    ...['defaults', '  mode tcp', '  timeout connect 5s', '  timeout client 30s', '  timeout server 30s'],
    'frontend in',
    `  bind 127.0.0.1:${port} accept-proxy${tls ? ` ssl crt ${both}` : ''}`,
    '  default_backend behind',
    'backend behind',
    `  server behind 127.0.0.1:${behind} send-proxy`,
    '',
  ];
  await writeFile(join(folder, 'haproxy.cfg'), lines.join('\n'));
  await running(port, new Program('haproxy', ['-db', '-q', '-f', join(folder, 'haproxy.cfg')]));
  return { port, cert: certificate().cert };
}

async function prepare() {
  const folder = await mkdtemp(join(tmpdir(), 'wstunnel-proxy-'));
  onCleanup(() => rm(folder, { recursive: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made = certificate();
  await writeFile(key, made.key);
  await writeFile(cert, made.cert);
  return { folder, port: await closedPort(), key, cert };
}

async function running(port: number, program: Program): Promise<Proxy> {
  await until(async () => {
    if (program.process.exitCode !== null) throw new Error(`it ended: ${program.output}`);
    return accepts({ port });
  });
  const { cert: ca } = certificate();
  const host = '127.0.0.1';
  const dial = () => connectTls({ socket: connectTcp({ port, host, localAddress: CLIENT }), host, ca });
  return { port, dial };
}

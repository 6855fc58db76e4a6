// The relays, ours and its peers, and how to start each one.
import { mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { certificate, descriptors, folder, has, here, tryRun } from './system.mjs';

/**
 * @typedef {object} Place where a relay listens, and its backend
 * @property {number} port
 * @property {number} backend
 * @property {boolean} tls TLS between client and relay
 * @property {'bare' | 'session' | undefined} variant
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {boolean} [raw] relays plain bytes, without WebSocket
 * @property {number} [most] the most tunnels that the relay supports
 * @property {Record<string, string>} [cannot] rows that the relay can't do, with the reasons
 * @property {() => string | undefined} missing the command that installs the relay, if it is missing
 * @property {() => string | undefined} [missingTls] the same for the relay's TLS
 * @property {() => string} version
 * @property {(place: Place) => [command: string, ...args: string[]]} command
 */

const ownVersion = () => `Node ${process.version}`;

function nodeRelay(file, { port, backend, tls, variant }) {
  const args = [file, '--port', String(port), '--backend', String(backend)];
  if (tls) args.push('--tls', certificate());
  if (variant) args.push(`--${variant}`);
  return [process.execPath, ...args];
}

function configured(name, lines) {
  const file = join(mkdtempSync(join(folder, 'peer-')), name);
  writeFileSync(file, [...lines, ''].join('\n'));
  return file;
}

let root;
/** A folder with the page of the rows that request a page; created once. */
function site() {
  root ??= dirname(configured('page', ['<title>a page of the app</title>', 'x'.repeat(1000)]));
  return root;
}

/** @returns {Peer[]} */
export function allPeers({ lighttpd = 'lighttpd', relays = [] } = {}) {
  return [
    {
      name: 'ours',
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/ours.mjs'), place),
    },
    {
      name: 'lighttpd',
      missing: () => (has(lighttpd) ? undefined : 'apt-get install lighttpd lighttpd-mod-openssl'),
      missingTls: () => {
        const probe = configured('lighttpd.conf', [
          `server.document-root = "${folder}"`,
          'server.modules += ("mod_openssl")',
        ]);
        return tryRun(lighttpd, '-tt', '-f', probe) === undefined
          ? 'apt-get install lighttpd-mod-openssl'
          : undefined;
      },
      version: () => /lighttpd\/(\S+)/.exec(tryRun(lighttpd, '-v') ?? '')?.[1] ?? '',
      command: ({ port, backend, tls }) => {
        const lines = [
          `server.bind = "127.0.0.1"`,
          `server.port = ${port}`,
          `server.document-root = "${site()}"`,
          `server.max-fds = ${descriptors}`,
          `server.max-connections = ${Math.floor(descriptors / 2)}`,
          'server.modules += ("mod_wstunnel")',
          `wstunnel.server = ("" => (("host" => "127.0.0.1", "port" => "${backend}")))`,
          'wstunnel.frame-type = "binary"',
          'server.stream-request-body = 2',
          'server.stream-response-body = 2',
        ];
        if (tls)
          lines.push(
            'server.modules += ("mod_openssl")',
            'ssl.engine = "enable"',
            `ssl.pemfile = "${certificate()}"`,
          );
        return [lighttpd, '-D', '-f', configured('lighttpd.conf', lines)];
      },
    },
    {
      name: 'websockify',
      most: 100,
      cannot: { 'frame-10g': 'assembles each frame in memory', 'get-beside-download': 'has no pages' },
      missing: () => (has('websockify') ? undefined : 'apt-get install websockify'),
      version: () =>
        tryRun('dpkg-query', '-W', '-f', '${Version}', 'websockify') ??
        tryRun('websockify', '--version') ??
        '',
      command: ({ port, backend, tls }) => [
        'websockify',
        ...(tls ? ['--ssl-only', '--cert', certificate()] : []),
        `127.0.0.1:${port}`,
        `127.0.0.1:${backend}`,
      ],
    },
    {
      name: 'ws',
      cannot: { 'frame-10g': 'refuses frames above 100 MiB' },
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/ws.mjs'), place),
    },
    {
      name: 'haproxy',
      raw: true,
      missing: () => (has('haproxy') ? undefined : 'apt-get install haproxy'),
      version: () => /version (\S+)/.exec(tryRun('haproxy', '-v') ?? '')?.[1] ?? '',
      command: ({ port, backend, tls }) => {
        const lines = [
          'global',
          '  nbthread 1',
          `  maxconn ${Math.floor(descriptors / 2) - 100}`,
          'defaults',
          '  mode tcp',
          `  maxconn ${Math.floor(descriptors / 2) - 100}`,
          '  timeout connect 5s',
          '  timeout client 1h',
          '  timeout server 1h',
          'listen relay',
          `  bind 127.0.0.1:${port}${tls ? ` ssl crt ${certificate()}` : ''}`,
          `  server backend 127.0.0.1:${backend}`,
        ];
        return ['haproxy', '-db', '-q', '-f', configured('haproxy.cfg', lines)];
      },
    },
    {
      name: 'pipeline',
      raw: true,
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/pipeline.mjs'), place),
    },
    ...relays.map(([name, file]) => ({
      name,
      missing: () => undefined,
      version: () => '',
      command: (place) => nodeRelay(file, { ...place, variant: undefined }),
    })),
  ];
}

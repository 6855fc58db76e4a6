// The relays, ours and its peers, and how to start each one.
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { certificate, descriptors, folder, has, here, tryRun } from './system.mjs';

/**
 * @typedef {object} Place where a relay listens, and its backend
 * @property {number} port
 * @property {number} backend
 * @property {boolean} tls TLS between client and relay
 * @property {'bare' | 'session' | undefined} variant
 * @property {number} [workers] our command with this number of workers
 * @property {boolean} [websocket] the backend speaks WebSocket
 * @property {boolean} [countsCollections] a relay in Node counts V8's collections
 *
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} [family] the name that all builds of a program share
 * @property {boolean} [isNode] the relay runs in Node
 * @property {boolean} [raw] relays plain bytes, without WebSocket
 * @property {'also' | 'only'} [websocket] relays to backends that speak WebSocket
 * @property {number} [most] the most tunnels that the relay supports
 * @property {Record<string, string>} [cannot] rows that the relay can't do, with the reasons
 * @property {() => string | undefined} missing the command that installs the relay, if it is missing
 * @property {() => string | undefined} [missingTls] the same for the relay's TLS
 * @property {() => string} version
 * @property {(place: Place) => [command: string, ...args: string[]]} command
 */

const ownVersion = () => `Node ${process.version}`;

const CLI = join(here, '../../dist/cli.js');

let helpText;
/** Whether our command has the option `--workers`. */
export function hasWorkers() {
  helpText ??= tryRun(process.execPath, CLI, '--help', 'all') ?? '';
  return helpText.includes('--workers');
}

function ownRelay(place) {
  if (place.workers === undefined) return nodeRelay(join(here, 'relays/ours.mjs'), place);
  const ends = [`127.0.0.1:${place.port}`, `127.0.0.1:${place.backend}`];
  return [process.execPath, CLI, ...ends, '--workers', String(place.workers)];
}

function nodeRelay(file, { port, backend, tls, variant, countsCollections, websocket }, mode = 'frames') {
  const counts = countsCollections ? ['--import', join(here, 'relays/collections.mjs')] : [];
  const args = [...counts, file, '--port', String(port), '--backend', String(backend)];
  if (tls) args.push('--tls', certificate());
  if (variant) args.push(`--${variant}`);
  if (websocket) args.push('--websocket', mode);
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

/** The folder of a build's modules: an installed build's, or a build tree's; undefined where the build itself knows the folder. */
function modulesOf(program) {
  const sbin = dirname(tryRun('sh', '-c', 'readlink -f "$(command -v "$1")"', 'sh', program)?.trim() ?? '');
  const folders = ['../lib/lighttpd', '../lib64/lighttpd', '.libs', '.'].map((name) => join(sbin, name));
  return folders.find((name) => existsSync(join(name, 'mod_wstunnel.so')));
}

function lighttpdPeer(program) {
  const modules = modulesOf(program);
  const options = modules === undefined ? [] : ['-m', modules];
  return {
    name: 'lighttpd',
    family: 'lighttpd',
    missing: () => (has(program) ? undefined : 'apt-get install lighttpd lighttpd-mod-openssl'),
    missingTls: () => {
      const probe = configured('lighttpd.conf', [
        `server.document-root = "${site()}"`,
        'server.modules += ("mod_openssl")',
      ]);
      return tryRun(program, ...options, '-tt', '-f', probe) === undefined
        ? 'apt-get install lighttpd-mod-openssl'
        : undefined;
    },
    version: () => /lighttpd\/(\S+)/.exec(tryRun(program, '-v') ?? '')?.[1] ?? '',
    command: ({ port, backend, tls }) => {
      const lines = [
        `server.bind = "127.0.0.1"`,
        `server.port = ${port}`,
        `server.document-root = "${site()}"`,
        `server.max-fds = ${descriptors}`,
        `server.max-connections = ${Math.floor(descriptors / 2)}`,
        'server.listen-backlog = 4096',
        // With HTTP/2, versions after 1.4.69 accept connections up to a tenth of the descriptors only.
        'server.feature-flags = ("server.h2proto" => "disable")',
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
      return [program, '-D', ...options, '-f', configured('lighttpd.conf', lines)];
    },
  };
}

/** One build is named `lighttpd`; several builds have their versions in the names. */
function lighttpdPeers(programs) {
  const peers = programs.map(lighttpdPeer);
  if (peers.length === 1) return peers;
  const names = peers.map((peer, at) =>
    peer.missing() ? `lighttpd-${at + 1}` : `lighttpd-${peer.version()}`,
  );
  return peers.map((peer, at) => {
    const isRepeated = names.indexOf(names[at]) < at;
    return { ...peer, name: isRepeated ? `${names[at]}-${at + 1}` : names[at] };
  });
}

const haproxyVersion = () => /version (\S+)/.exec(tryRun('haproxy', '-v') ?? '')?.[1] ?? '';

function haproxy(mode, { port, backend, tls }) {
  const lines = [
    'global',
    '  nbthread 1',
    `  maxconn ${Math.floor(descriptors / 2) - 100}`,
    'defaults',
    `  mode ${mode}`,
    `  maxconn ${Math.floor(descriptors / 2) - 100}`,
    '  timeout connect 5s',
    '  timeout client 1h',
    '  timeout server 1h',
    'listen relay',
    `  bind 127.0.0.1:${port}${tls ? ` ssl crt ${certificate()}` : ''}`,
    `  server backend 127.0.0.1:${backend}`,
  ];
  return ['haproxy', '-db', '-q', '-f', configured('haproxy.cfg', lines)];
}

/** Sizes of `proxy_buffer_size`, which is also the size of the reads after a 101 response: large, and nginx's default. */
const NGINX_BUFFERS = [
  { name: 'nginx', size: '64k' },
  { name: 'nginx-4k', size: '4k' },
];

function nginxPeer({ name, size }) {
  return {
    name,
    websocket: 'only',
    missing: () => (has('nginx') ? undefined : 'apt-get install nginx-light'),
    version: () => /nginx\/(\S+)/.exec(tryRun('sh', '-c', 'nginx -v 2>&1') ?? '')?.[1] ?? '',
    command: ({ port, backend }) => {
      const file = configured('nginx.conf', [
        'daemon off;',
        'worker_processes 1;',
        `worker_rlimit_nofile ${descriptors};`,
        'error_log stderr error;',
        'pid nginx.pid;',
        `events { worker_connections ${Math.floor(descriptors / 2)}; multi_accept on; }`,
        'http {',
        '  access_log off;',
        ...['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((kind) => `  ${kind}_temp_path ${kind};`),
        '  server {',
        `    listen 127.0.0.1:${port} backlog=4096;`,
        '    location / {',
        `      proxy_pass http://127.0.0.1:${backend};`,
        '      proxy_http_version 1.1;',
        '      proxy_set_header Upgrade $http_upgrade;',
        '      proxy_set_header Connection "upgrade";',
        '      proxy_set_header Host $http_host;',
        '      proxy_buffering off;',
        `      proxy_buffer_size ${size};`,
        `      proxy_buffers 8 ${size};`,
        '      proxy_read_timeout 1h;',
        '      proxy_send_timeout 1h;',
        '    }',
        '  }',
        '}',
      ]);
      return ['nginx', '-p', dirname(file), '-c', file];
    },
  };
}

/** The peer of this name; among several builds of a program, the newest. */
export function findPeer(peers, name) {
  const builds = peers.filter((peer) => peer.name === name || peer.family === name);
  const byVersion = (a, b) => b.version().localeCompare(a.version(), 'en', { numeric: true });
  return builds.sort(byVersion)[0];
}

/** @returns {Peer[]} */
export function allPeers({ lighttpd = ['lighttpd'], relays = [] } = {}) {
  return [
    {
      name: 'ours',
      isNode: true,
      websocket: 'also',
      missing: () => undefined,
      version: ownVersion,
      command: ownRelay,
    },
    ...lighttpdPeers(lighttpd),
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
      isNode: true,
      cannot: { 'frame-10g': 'refuses frames above 100 MiB' },
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/ws.mjs'), place),
    },
    {
      name: 'haproxy',
      raw: true,
      missing: () => (has('haproxy') ? undefined : 'apt-get install haproxy'),
      version: haproxyVersion,
      command: (place) => haproxy('tcp', place),
    },
    {
      name: 'pipeline',
      isNode: true,
      raw: true,
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/pipeline.mjs'), place),
    },
    {
      name: 'ours-bytes',
      isNode: true,
      websocket: 'only',
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/ours.mjs'), place, 'bytes'),
    },
    ...NGINX_BUFFERS.map(nginxPeer),
    {
      name: 'haproxy-http',
      websocket: 'only',
      missing: () => (has('haproxy') ? undefined : 'apt-get install haproxy'),
      version: haproxyVersion,
      command: (place) => haproxy('http', place),
    },
    {
      name: 'http-proxy-middleware',
      isNode: true,
      websocket: 'only',
      missing: () => undefined,
      version: ownVersion,
      command: (place) => nodeRelay(join(here, 'relays/http-proxy-middleware.mjs'), place),
    },
    ...relays.map(([name, file]) => ({
      name,
      isNode: true,
      websocket: 'also',
      missing: () => undefined,
      version: () => '',
      command: (place) => nodeRelay(file, { ...place, variant: undefined }),
    })),
  ];
}

import { nearest } from '../../options/checks/nearest.js';
import type { Block, Setting } from '../evaluate/blocks.js';
import { SERVER_DIRECTIVES } from './block-contents.js';
import type { ConfReader } from './directive-names.js';
import { TUNNEL_DIRECTIVE_NAMES } from './tunnel-directives.js';

const OTHER_SERVER = 'the command serves files and tunnels only: let another server answer these requests';

/**
 * Directives that guard, redirect or change requests. Leaving out such a directive would allow requests that lighttpd refuses, or
 * serve files that lighttpd does not serve. In each row: what replaces the directive in an app, and with the command.
 */
const REFUSED_DIRECTIVES: readonly (readonly [pattern: string, app: string, command: string])[] = [
  [
    'auth.*',
    'put a login in front of the tunnel: app.use(path, requireLogin, tunnel)',
    'use --auth FILE (lines of htpasswd -B), which guards pages and tunnels',
  ],
  ...['ssl.verifyclient.*', 'ssl.ca-*'].map(
    (pattern) =>
      [
        pattern,
        'ask for client certificates in https.createServer: requestCert, rejectUnauthorized and ca',
        'use --client-ca FILE with --cert and --key, which admits only clients with a certificate of that CA',
      ] as const,
  ),
  [
    'ssl.*',
    'create the server with node:https, or end TLS in a proxy',
    'use --cert FILE and --key FILE, which make it https',
  ],
  ['url.access-*', 'refuse these paths in front of the tunnel and express.static', 'write a list of strings'],
  ['url.redirect*', 'use res.redirect in front of the tunnel', 'let a proxy in front redirect'],
  [
    'url.rewrite*',
    'change req.url in front of the tunnel, or mount the tunnel at the rewritten path',
    'let a proxy in front rewrite, or write the path that browsers use into $HTTP["url"] around wstunnel.server',
  ],
  [
    'alias.*',
    'mount express.static at that path',
    'the command serves one folder to everybody: let another server serve these paths, or move public files into server.document-root',
  ],
  [
    'extforward.*',
    "name the proxies with app.set('trust proxy', ...)",
    'name the proxies with --trust-proxy LIST',
  ],
  ['proxy.*', 'mount http-proxy-middleware at that path', OTHER_SERVER],
  [
    'setenv.*response-header',
    'use res.set or helmet in front of the tunnel',
    'let a proxy in front set headers',
  ],
  [
    'setenv.*',
    'set what the app reads (req.headers, process.env) in front of the tunnel',
    'set the environment of a program with "bin-environment"',
  ],
  [
    'static-file.exclude-extensions',
    'exclude these files from what express.static serves',
    'write a list of strings',
  ],
  [
    'server.follow-symlink',
    'exclude such links from what express.static serves',
    'remove such links from server.document-root',
  ],
  [
    'server.max-write-idle',
    'set the option writeTimeout: the default ends the tunnel of a client that accepts no bytes for 360 s',
    'write a whole number of seconds',
  ],
  ['server.kbytes-per-second', 'limit the rate in a proxy in front', 'limit the rate in a proxy in front'],
  [
    'connection.kbytes-per-second',
    'limit the rate in a proxy in front',
    'limit the rate in a proxy in front',
  ],
  [
    'server.error*',
    "use the app's own error handler",
    'the command has no error pages: each error is answered with a line of text',
  ],
  [
    'server.chroot',
    'give the paths as the process sees them',
    'start the command with chroot(8) or in a container',
  ],
  [
    'server.systemd-socket-activation',
    'listen on the file descriptor: server.listen({ fd: 3 })',
    'use --listen fd:3 for the socket that systemd opened',
  ],
  [
    'server.socket-perms',
    'change the mode of the socket once the server listens',
    'use --unix-mode MODE and --unix-group GROUP to decide who may connect to the socket',
  ],
  ['server.set-v6only', 'listen with { ipv6Only }', 'give the address with --listen ADDRESS'],
  ['server.v4mapped', 'listen with { ipv6Only }', 'give the address with --listen ADDRESS'],
  [
    'server.force-lowercase-filenames',
    'convert req.url to lower case in front of express.static',
    'name the files as browsers request them',
  ],
  ...[
    'fastcgi.*',
    'scgi.*',
    'cgi.*',
    'ajp13.*',
    'sockproxy.*',
    'ssi.*',
    'webdav.*',
    'status.*',
    'magnet.*',
  ].map(
    (pattern) =>
      [pattern, 'mount the handler of these requests in front of the tunnel', OTHER_SERVER] as const,
  ),
  ...['userdir.*', 'evhost.*', 'simple-vhost.*', 'vhostdb.*'].map(
    (pattern) =>
      [
        pattern,
        'mount express.static by host or user',
        'write server.document-root into a condition such as $HTTP["host"] == "..."',
      ] as const,
  ),
];

/** The replacement for a refused directive; undefined for an unknown name. */
function replacementFor(name: string, reader: ConfReader): string | undefined {
  const row = REFUSED_DIRECTIVES.find(([pattern]) => {
    const [front = '', back = ''] = pattern.split('*');
    return pattern.includes('*') ? name.startsWith(front) && name.endsWith(back) : name === pattern;
  });
  return row?.[reader === 'app' ? 1 : 2];
}

/** For the message: why the directive is refused, and what to do. */
export function refusalOf(name: string, setting: Setting, block: Block, reader: ConfReader): string {
  const isApp = reader === 'app';
  const replacement = replacementFor(name, reader);
  if (replacement !== undefined)
    return isApp
      ? `${name} has no effect on the tunnel: ${replacement}. Then remove the directive or give ignore: ['${name}']`
      : `${name} is not supported: ${tlsOptionFor(name, setting, block) ?? replacement}; then skip the directive with --ignore '${name}'`;
  const near = nearest(name, [...TUNNEL_DIRECTIVE_NAMES, ...SERVER_DIRECTIVES]);
  const unknown = `${name} is not a known directive${near === undefined ? '.' : `; did you mean ${near}?`}`;
  return isApp
    ? `${unknown} If it does not concern the tunnel, remove it or give ignore: ['${name}']`
    : `${unknown} If it concerns neither tunnels nor pages, skip it with --ignore '${name}'`;
}

const TLS_OPTIONS: Readonly<Record<string, string>> = {
  'ssl.pemfile': '--cert',
  'ssl.privkey': '--key',
  'ssl.verifyclient.ca-file': '--client-ca',
};

/** With the file and the socket of the directive, ready to copy. */
function tlsOptionFor(name: string, { value }: Setting, block: Block): string | undefined {
  const option = TLS_OPTIONS[name];
  if (option === undefined || value.kind !== 'string') return undefined;
  const { condition } = block;
  const listen =
    condition?.object === 'SERVER'
      ? ` with --listen '${condition.text}' (run a second command for the sockets without TLS)`
      : '';
  return `start with ${option} '${value.text}'${listen}`;
}

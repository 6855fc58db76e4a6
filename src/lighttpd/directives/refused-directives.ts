/** `*` stands for the rest of a name. */
export function matchesName(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}

/**
 * Directives without bearing on who gets a tunnel and where it leads: the server's process, its logs, caches and compression of
 * files, keep-alive between requests. They are left out and reported as such.
 */
export const HARMLESS: readonly string[] = [
  ...['server.modules', 'server.compat-module-load', 'server.feature-flags', 'server.name', 'server.tag'],
  ...['server.username', 'server.groupname', 'server.pid-file', 'server.core-files', 'server.max-fds'],
  ...['server.max-worker', 'server.event-handler', 'server.network-backend', 'server.listen-backlog'],
  ...['server.errorlog', 'server.errorlog-use-syslog', 'server.breakagelog', 'server.syslog-facility'],
  ...['server.upload-dirs', 'server.upload-temp-file-size', 'server.chunkqueue-chunk-sz'],
  ...['server.stat-cache-engine', 'server.range-requests', 'server.reject-expect-100-with-417'],
  ...['server.max-keep-alive-requests', 'server.max-keep-alive-idle', 'server.defer-accept'],
  // A tunnel's request has no body; Node bounds the header by itself.
  ...['server.max-request-size', 'server.max-request-field-size'],
  // Node's own parser is as strict.
  'server.http-parseopt-*',
  ...['accesslog.*', 'debug.*', 'rrdtool.*', 'mimetype.*', 'etag.*', 'expire.*', 'deflate.*', 'compress.*'],
  // Nothing is listed unless the app does so.
  ...['dir-listing.*', 'server.dir-listing', 'static-file.etags', 'static-file.disable-pathinfo'],
];

/** Which modules are loaded shows in their directives. */
export const UNREPORTED: readonly string[] = ['server.modules', 'server.compat-module-load'];

/** What the command does in the place of one that is left out. */
const COMMAND_COUNTERPARTS: readonly (readonly [pattern: string, here: string])[] = [
  ['server.errorlog*', 'messages go to stderr'],
  ['server.breakagelog', 'messages go to stderr'],
  ['accesslog.*', '--log FILE writes an event for each tunnel'],
  ['server.pid-file', 'no such file is written'],
  ['server.max-fds', 'ulimit -n'],
];

/** What the command does in place of a directive that is left out. */
export function commandCounterpart(name: string): string | undefined {
  return COMMAND_COUNTERPARTS.find(([pattern]) => matchesName(name, [pattern]))?.[1];
}

/** For an app around the middleware, or for the command, which is the whole server. */
export type ConfReader = 'app' | 'command';

const IN_FRONT = 'the command serves files and tunnels only: another server answers these requests';

/**
 * Directives that guard requests, send them elsewhere or change them: leaving them out would open what was shut, or serve what
 * was not served. By each what takes its place in an app, and with the command.
 */
export const REFUSED_DIRECTIVES: readonly (readonly [pattern: string, app: string, command: string])[] = [
  [
    'auth.*',
    'put a login in front of the tunnel: app.use(path, requireLogin, tunnel)',
    '--auth FILE asks for logins (lines of htpasswd -B), of pages and tunnels',
  ],
  ...['ssl.verifyclient.*', 'ssl.ca-*'].map(
    (pattern) =>
      [
        pattern,
        'ask for client certificates in https.createServer: requestCert, rejectUnauthorized and ca',
        '--client-ca FILE lets in clients with a certificate of that CA alone, with --cert and --key',
      ] as const,
  ),
  [
    'ssl.*',
    'create the server with node:https, or end TLS in a proxy',
    '--cert FILE and --key FILE make it https',
  ],
  ['url.access-*', 'refuse these paths in front of the tunnel and express.static', 'write a list of strings'],
  ['url.redirect*', 'use res.redirect in front of the tunnel', 'let a proxy in front redirect'],
  [
    'url.rewrite*',
    'change req.url in front of the tunnel, or mount the tunnel at the path itself',
    'let a proxy in front rewrite, or write the path that browsers use into $HTTP["url"] around wstunnel.server',
  ],
  [
    'alias.*',
    'mount express.static at that path',
    'the command serves one folder to everybody: let another server have these paths, or put files that everybody may read into server.document-root',
  ],
  ['extforward.*', "name the proxies by app.set('trust proxy', ...)", '--trust-proxy LIST names the proxies'],
  ['proxy.*', 'mount http-proxy-middleware at that path', IN_FRONT],
  [
    'setenv.*response-header',
    'use res.set or helmet in front of the tunnel',
    'let a proxy in front set headers',
  ],
  [
    'setenv.*',
    'set what the app reads (req.headers, process.env) in front of the tunnel',
    'the environment of a program is its "bin-environment"',
  ],
  [
    'static-file.exclude-extensions',
    'keep these files out of what express.static serves',
    'write a list of strings',
  ],
  [
    'server.follow-symlink',
    'keep such links out of what express.static serves',
    'take such links out of server.document-root',
  ],
  [
    'server.max-write-idle',
    'give writeTimeout as an option: a client that accepts nothing is cut off after 360 s',
    'write a whole number of seconds',
  ],
  ['server.kbytes-per-second', 'limit the rate in a proxy in front', 'limit the rate in a proxy in front'],
  [
    'connection.kbytes-per-second',
    'limit the rate in a proxy in front',
    'limit the rate in a proxy in front',
  ],
  ['server.error*', "use the app's own error handler", 'the command answers errors with a line of text'],
  [
    'server.chroot',
    'give the paths as the process sees them',
    'start the command by chroot(8) or a container',
  ],
  [
    'server.systemd-socket-activation',
    'listen on the file descriptor: server.listen({ fd: 3 })',
    '--listen fd:3 takes the socket that systemd opened',
  ],
  [
    'server.socket-perms',
    'change the mode of the socket once the server listens',
    '--unix-mode MODE and --unix-group GROUP decide who may connect to the socket',
  ],
  ['server.set-v6only', 'listen with { ipv6Only }', '--listen ADDRESS says where to listen'],
  ['server.v4mapped', 'listen with { ipv6Only }', '--listen ADDRESS says where to listen'],
  [
    'server.force-lowercase-filenames',
    'lower req.url in front of express.static',
    'write the names as browsers ask for them',
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
    (pattern) => [pattern, 'mount what answers these requests in front of the tunnel', IN_FRONT] as const,
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

/** What takes the place of a directive that can't be left out; undefined where it is unknown. */
export function replacementFor(name: string, reader: ConfReader): string | undefined {
  const row = REFUSED_DIRECTIVES.find(([pattern]) => {
    const [front = '', back = ''] = pattern.split('*');
    return pattern.includes('*') ? name.startsWith(front) && name.endsWith(back) : name === pattern;
  });
  return row?.[reader === 'app' ? 1 : 2];
}

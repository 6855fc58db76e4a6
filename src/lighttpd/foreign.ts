/** `*` stands for the rest of a name. */
export function isNamed(name: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) =>
    pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern,
  );
}

/**
 * Directives without bearing on who gets a tunnel and where it leads: the server's process, its logs, caches and compression of
 * files, keep-alive between requests. Left out without a word.
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

/**
 * Directives that guard requests, send them elsewhere or change them: leaving them out would open what was shut, or serve what
 * was not served. By each what takes its place.
 */
export const REFUSED: readonly (readonly [pattern: string, instead: string])[] = [
  ['auth.*', 'put a login in front of the tunnel: app.use(path, requireLogin, tunnel)'],
  ['ssl.*', 'create the server with node:https, or end TLS in a proxy'],
  ['url.access-*', 'refuse these paths in front of the tunnel and express.static'],
  ['url.redirect*', 'use res.redirect in front of the tunnel'],
  ['url.rewrite*', 'change req.url in front of the tunnel, or mount the tunnel at the path itself'],
  ['alias.*', 'mount express.static at that path'],
  ['extforward.*', "name the proxies by app.set('trust proxy', ...)"],
  ['proxy.*', 'mount http-proxy-middleware at that path'],
  ['setenv.*response-header', 'use res.set or helmet in front of the tunnel'],
  ['setenv.*', 'set what the app reads (req.headers, process.env) in front of the tunnel'],
  ['static-file.exclude-extensions', 'keep these files out of what express.static serves'],
  ['server.follow-symlink', 'keep such links out of what express.static serves'],
  [
    'server.max-write-idle',
    'give writeTimeout as an option: a client that accepts nothing is cut off after 360 s',
  ],
  ['server.kbytes-per-second', 'limit the rate in a proxy in front'],
  ['connection.kbytes-per-second', 'limit the rate in a proxy in front'],
  ['server.error*', "use the app's own error handler"],
  ['server.chroot', 'give the paths as the process sees them'],
  ['server.systemd-socket-activation', 'listen on the file descriptor: server.listen({ fd: 3 })'],
  ['server.socket-perms', 'change the mode of the socket once the server listens'],
  ['server.set-v6only', 'listen with { ipv6Only }'],
  ['server.v4mapped', 'listen with { ipv6Only }'],
  ['server.force-lowercase-filenames', 'lower req.url in front of express.static'],
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
  ].map((pattern) => [pattern, 'mount what answers these requests in front of the tunnel'] as const),
  ...['userdir.*', 'evhost.*', 'simple-vhost.*', 'vhostdb.*'].map(
    (pattern) => [pattern, 'mount express.static by host or user'] as const,
  ),
];

/** What takes the place of a directive that can't be left out; undefined where it is unknown. */
export function insteadOf(name: string): string | undefined {
  return REFUSED.find(([pattern]) => {
    const [front = '', back = ''] = pattern.split('*');
    return pattern.includes('*') ? name.startsWith(front) && name.endsWith(back) : name === pattern;
  })?.[1];
}

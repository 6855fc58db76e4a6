import { matchesName } from './directive-names.js';

/**
 * Directives without influence on access and on targets of tunnels: the server's process and logs, caching and compression of
 * files, keep-alive between requests. The reader leaves out and reports all of them.
 */
export const HARMLESS: readonly string[] = [
  ...['server.modules', 'server.compat-module-load', 'server.feature-flags', 'server.name', 'server.tag'],
  ...['server.username', 'server.groupname', 'server.pid-file', 'server.core-files', 'server.max-fds'],
  ...['server.max-worker', 'server.event-handler', 'server.network-backend', 'server.listen-backlog'],
  ...['server.errorlog', 'server.errorlog-use-syslog', 'server.breakagelog', 'server.syslog-facility'],
  ...['server.upload-dirs', 'server.upload-temp-file-size', 'server.chunkqueue-chunk-sz'],
  ...['server.stat-cache-engine', 'server.range-requests', 'server.reject-expect-100-with-417'],
  ...['server.max-keep-alive-requests', 'server.max-keep-alive-idle', 'server.defer-accept'],
  // An upgrade request has no body, and Node limits the size of the header.
  ...['server.max-request-size', 'server.max-request-field-size'],
  // Node's parser is equally strict.
  'server.http-parseopt-*',
  ...['accesslog.*', 'debug.*', 'rrdtool.*', 'mimetype.*', 'etag.*', 'expire.*', 'deflate.*', 'compress.*'],
  // Neither the middleware nor the command lists folders.
  ...['dir-listing.*', 'server.dir-listing', 'static-file.etags', 'static-file.disable-pathinfo'],
];

/** Harmless directives that are not reported: the other directives show which modules are in use. */
export const UNREPORTED: readonly string[] = ['server.modules', 'server.compat-module-load'];

/** Replacements, in the command, for directives that are left out. */
const COMMAND_COUNTERPARTS: readonly (readonly [pattern: string, counterpart: string])[] = [
  ['server.errorlog*', 'messages go to stderr'],
  ['server.breakagelog', 'messages go to stderr'],
  ['accesslog.*', '--log FILE writes an event for each tunnel'],
  ['server.pid-file', 'no such file is written'],
  ['server.max-fds', 'use ulimit -n'],
  ['server.max-worker', '--workers N starts worker processes'],
];

export function commandCounterpart(name: string): string | undefined {
  return COMMAND_COUNTERPARTS.find(([pattern]) => matchesName(name, [pattern]))?.[1];
}

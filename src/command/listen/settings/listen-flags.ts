import { helpLines, type Args, type OptionSpecs } from '../../command-line/args.js';

/** The options of `express-wstunnel listen`, in the order of the help and the README table. */
export const LISTEN_FLAGS = {
  listen: { value: 'ADDRESS', multiple: true, help: '6080, HOST:6080 or :6080 (all); a unix socket' },
  unix: { value: 'PATH' },
  'unix-mode': { value: 'MODE', help: 'permissions of the unix socket, such as 660', more: true },
  'unix-group': { value: 'GROUP', help: 'group of the unix socket', more: true },
  web: { value: 'DIR', help: 'serve DIR or novnc; sites that may frame pages' },
  frame: { value: 'LIST', multiple: true },
  novnc: {
    value: 'NAME=VALUE',
    multiple: true,
    help: 'a setting of noVNC, such as resize=remote',
    more: true,
  },
  cert: { value: 'FILE', help: 'https: certificate and key in PEM form' },
  key: { value: 'FILE' },
  'ssl-only': { help: 'close plain http, do not redirect it to https', more: true },
  'client-ca': { value: 'FILE', help: 'only clients with a certificate of this CA' },
  auth: {
    value: '[USER:]FILE',
    multiple: true,
    help: 'logins: htpasswd -B file, or password for USER',
  },
  revalidate: { value: 'SEC', help: "seconds between checks of open tunnels' logins", more: true },
  tokens: { value: 'SOURCE', multiple: true, help: 'by ?token=: file, jwt: (needs --token-targets)' },
  'token-from': { value: 'PLACE', help: 'query, cookie, path, host or subprotocol', more: true },
  'token-targets': {
    value: 'LIST',
    multiple: true,
    help: 'for jwt:, redis:, https: targets as *.lan:5900',
    more: true,
  },
  allow: { value: 'LIST', multiple: true, help: 'client addresses and ranges, comma-separated' },
  deny: { value: 'LIST', multiple: true },
  origin: { value: 'LIST', multiple: true, help: 'origins that may connect (*: all); server names' },
  name: { value: 'NAME', multiple: true },
  'trust-proxy': { value: 'LIST', multiple: true, help: 'proxies whose X-Forwarded-* are trusted' },
  'accept-proxy': { help: 'connections begin with a PROXY header' },
  'max-connections': { value: 'NUMBER', help: 'limit of open connections' },
  url: { value: 'PATH', multiple: true, help: 'tunnel paths (default: all): /vnc, ^/vnc/\\d+$' },
  balance: { value: 'NAME', help: 'fair, round-robin, hash, sticky; idle timeout' },
  idle: { value: 'SEC' },
  ping: { value: 'SEC', help: 'PING interval (30); PONG timeout (20)' },
  pong: { value: 'SEC' },
  config: { value: 'FILE', help: 'JSON or lighttpd.conf; directives to ignore' },
  ignore: { value: 'NAME', multiple: true },
  'check-config': { help: 'report errors in the settings, then exit', more: true },
  user: { value: 'NAME[:GROUP]', help: 'run as this user once the ports are open', more: true },
  log: { value: 'FILE', help: 'events as lines of JSON (-: stdout)' },
  grace: { value: 'SEC', help: 'SIGTERM: tunnels go on; then Closes are spread', more: true },
  spread: { value: 'SEC', more: true },
  drain: { value: 'SEC', help: 'time for tunnels to end after their Close (8)', more: true },
  linger: { value: 'SEC', help: 'SIGTERM: the ports stay open, for pages only', more: true },
  health: { value: 'ADDRESS', help: 'answer /healthz and /readyz at this address', more: true },
  metrics: { value: 'ADDRESS', help: 'answer /metrics for Prometheus at this address', more: true },
  workers: { value: 'N', help: 'number of processes, or auto', more: true },
  shared: { value: 'URL', help: 'redis://HOST: share limits with other commands', more: true },
  'shared-password-file': { value: 'FILE', help: 'password for Redis', more: true },
  timeout: { value: 'SEC', help: 'exit after this time, once no tunnel is open', more: true },
  'idle-timeout': { value: 'SEC', help: 'exit after this time without a tunnel', more: true },
  'run-once': { help: 'exit when the first tunnel ends', more: true },
  record: { value: 'DIR', help: 'record each tunnel in a file in DIR (see: play)', more: true },
  'record-direction': { value: 'WAY', help: 'out: to clients; both: typed passwords too', more: true },
  'record-max-bytes': { value: 'NUMBER', help: 'limit of the size of a recording', more: true },
  'record-when-fails': { value: 'ACTION', help: 'continue the tunnel (default), or close it', more: true },
  syslog: { value: 'SERVER', help: 'send log lines to /dev/log or to HOST:PORT', more: true },
  'legacy-syslog': { help: 'use the syslog protocol from before RFC 5424', more: true },
  daemon: { short: 'D', help: 'run in the background', more: true },
  verbose: { short: 'v', help: 'print a line for every tunnel' },
  help: { short: 'h', help: 'this help (--help all: more); the version' },
  version: { short: 'V' },
} as const satisfies OptionSpecs;

export type ListenFlag = keyof typeof LISTEN_FLAGS;

/** The parsed command line. */
export type ListenArgs = Args<typeof LISTEN_FLAGS>;

const MORE = `
express-wstunnel --help man | man -l -                     manual page
source <(express-wstunnel completion bash)                 or zsh, fish
`;

/** The text of `--help`, or of `--help all`. */
export const listenHelp = (
  all: boolean,
): string => `Usage: express-wstunnel [listen] [[ADDRESS:]PORT] TARGET... [options]
       express-wstunnel connect URL | play FILE [options]     client; recordings

Streams WebSockets on 127.0.0.1:6080, or at ADDRESS, to TARGET: HOST:PORT, PORT,
unix:PATH, tls:HOST:PORT, or a WebSocket server: ws:// or wss://HOST/PATH.

${helpLines(LISTEN_FLAGS, all).join('\n')}
${all ? MORE : ''}`;

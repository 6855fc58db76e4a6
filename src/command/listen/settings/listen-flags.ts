import { helpLines, type Args, type OptionSpecs } from '../../command-line/args.js';

/** The options of `express-wstunnel listen`, in the order of the help and of the README's table. */
export const LISTEN_FLAGS = {
  listen: { value: 'ADDRESS', multiple: true, help: '6080, HOST:6080 or :6080 (all); a unix socket' },
  unix: { value: 'PATH' },
  'unix-mode': { value: 'MODE', help: 'permissions of the unix socket, such as 660', more: true },
  'unix-group': { value: 'GROUP', help: 'its group', more: true },
  web: { value: 'DIR', help: 'serve a folder; sites that may frame its pages' },
  frame: { value: 'LIST', multiple: true },
  cert: { value: 'FILE', help: 'https: certificate and key in PEM form' },
  key: { value: 'FILE' },
  'ssl-only': { help: 'plain http is closed, not sent to https', more: true },
  'client-ca': { value: 'FILE', help: 'only clients with a certificate of this CA' },
  auth: { value: '[USER:]FILE', multiple: true, help: 'logins: by htpasswd -B, or a password for USER' },
  tokens: { value: 'FILE', help: 'targets by ?token=, lines "token: HOST:PORT"' },
  allow: { value: 'LIST', multiple: true, help: "clients' addresses and ranges, with commas" },
  deny: { value: 'LIST', multiple: true },
  origin: { value: 'LIST', multiple: true, help: 'pages that may connect (*: all); own names' },
  name: { value: 'NAME', multiple: true },
  'trust-proxy': { value: 'LIST', multiple: true, help: 'proxies whose X-Forwarded-* are believed' },
  'accept-proxy': { help: 'connections begin with a PROXY header' },
  'max-connections': { value: 'NUMBER', help: 'most connections at once' },
  url: { value: 'PATH', multiple: true, help: 'paths of tunnels (all): /vnc, ^/vnc/\\d+$' },
  balance: { value: 'NAME', help: 'fair, round-robin, hash, sticky; idle time' },
  idle: { value: 'SEC' },
  ping: { value: 'SEC', help: 'between PINGs (30); silence after one (20)' },
  pong: { value: 'SEC' },
  config: { value: 'FILE', help: 'JSON or lighttpd.conf; directives to pass over' },
  ignore: { value: 'NAME', multiple: true },
  'check-config': { help: 'print what is wrong with it, and end', more: true },
  user: { value: 'NAME[:GROUP]', help: 'give up root once it listens', more: true },
  log: { value: 'FILE', help: 'events as lines of JSON (-: stdout)' },
  drain: { value: 'SEC', help: 'for open tunnels to end in, after SIGTERM (8)', more: true },
  timeout: { value: 'SEC', help: 'ends then, or with the last tunnel', more: true },
  'idle-timeout': { value: 'SEC', help: 'ends when no tunnel was open for so long', more: true },
  'run-once': { help: 'ends with the first tunnel', more: true },
  record: { value: 'FILE', help: 'what tunnels carry, in FILE.1 and so on', more: true },
  syslog: { value: 'SERVER', help: 'lines to /dev/log or to HOST:PORT', more: true },
  'legacy-syslog': { help: 'in the protocol before RFC 5424', more: true },
  daemon: { short: 'D', help: 'runs in the background', more: true },
  verbose: { short: 'v', help: 'tell of every tunnel' },
  help: { short: 'h', help: 'this text (--help all: more); the version' },
  version: { short: 'V' },
} as const satisfies OptionSpecs;

export type ListenFlag = keyof typeof LISTEN_FLAGS;

/** The command line, once read. */
export type ListenArgs = Args<typeof LISTEN_FLAGS>;

const MORE = `
express-wstunnel --help man | man -l -                     the manual page
source <(express-wstunnel completion bash)                 or zsh, or fish
`;

/** The text of `--help`, or of `--help all`. */
export const listenHelp = (
  all: boolean,
): string => `Usage: express-wstunnel [listen] [[ADDRESS:]PORT] TARGET... [options]
       express-wstunnel connect URL [options]                  the other end

Opens WebSockets on 127.0.0.1:6080, or where it is told, and streams their bytes
to TARGET: HOST:PORT, PORT, unix:PATH or tls:HOST:PORT.

${helpLines(LISTEN_FLAGS, all).join('\n')}
${all ? MORE : ''}`;

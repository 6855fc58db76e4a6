import { helpLines, type OptionSpecs } from '../command-line/args.js';

/** The options of `express-wstunnel connect`, in the order of the help and the README table. */
export const CONNECT_FLAGS = {
  local: { value: 'ADDRESS', help: 'listen on 5901, HOST:5901, :5901 or unix:PATH' },
  stdio: { help: 'one tunnel, on standard input and output (default)' },
  linger: { value: 'SEC', help: '--stdio: idle time from end of input to Close (1)', more: true },
  'no-close': { help: '--stdio: stay open until the server ends the tunnel', more: true },
  background: { help: '--local: run in the background once listening' },
  user: { value: 'NAME:FILE', help: 'Basic login, password in FILE (or WSTUNNEL_USER)' },
  bearer: { value: 'FILE', help: 'bearer token in FILE (or WSTUNNEL_BEARER)' },
  cookie: { value: 'NAME=VALUE', multiple: true, help: 'cookie, or @FILE (or WSTUNNEL_COOKIE)' },
  header: { value: 'NAME:VALUE', multiple: true, help: 'header, or @FILE with one header per line' },
  'host-header': { value: 'HOST', more: true, help: "Host header, where it differs from the URL's host" },
  origin: { value: 'ORIGIN', help: 'Origin header, for servers that check it' },
  subprotocol: { value: 'NAME', multiple: true, help: 'subprotocol to offer (binary)' },
  ca: { value: 'FILE', help: "CA of the server's certificate" },
  cert: { value: 'FILE', help: 'client certificate and key, in PEM form' },
  key: { value: 'FILE' },
  servername: { value: 'NAME', more: true, help: "TLS server name, where it differs from the URL's" },
  insecure: { help: "do not check the server's certificate" },
  proxy: { value: 'URL', help: 'HTTP proxy (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)' },
  direct: { help: 'use no proxy, ignore the environment' },
  forward: { help: 'ws: only: send the request to the proxy, no CONNECT', more: true },
  timeout: { value: 'SEC', help: 'time limit to open the tunnel (30)' },
  retry: { value: 'SEC', help: '--local: time to retry a server that is down (15)' },
  ping: { value: 'SEC', help: 'PING interval (30); PONG timeout (20)' },
  pong: { value: 'SEC' },
  verbose: { short: 'v', help: 'print a line for every tunnel' },
  help: { short: 'h', help: 'this help (--help all: more); the version' },
  version: { short: 'V' },
} as const satisfies OptionSpecs;

/** The text of `--help`, or of `--help all`. */
export const connectHelp = (
  all: boolean,
): string => `Usage: express-wstunnel connect URL [--local ADDRESS] [options] [-- PROGRAM]

The client: streams a local port, or standard input and output, through the
WebSocket at URL. In ~/.ssh/config: ProxyCommand express-wstunnel connect URL

${helpLines(CONNECT_FLAGS, all).join('\n')}
`;

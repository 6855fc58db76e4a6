import { helpLines, type OptionSpecs } from '../command-line/args.js';

/** The options of `express-wstunnel connect`, in the order of the help and of the README's table. */
export const CONNECT_FLAGS = {
  local: { value: 'ADDRESS', help: 'listen on 5901, HOST:5901, :5901 or unix:PATH' },
  stdio: { help: 'one tunnel, on standard input and output (default)' },
  linger: { value: 'SEC', help: '--stdio: silence after the input, then Close (1)', more: true },
  'no-close': { help: '--stdio: stay after the input until the server ends', more: true },
  background: { help: '--local: return as soon as it listens' },
  user: { value: 'NAME:FILE', help: 'Basic login, its password in FILE (WSTUNNEL_USER)' },
  bearer: { value: 'FILE', help: 'bearer token in FILE (WSTUNNEL_BEARER)' },
  cookie: { value: 'NAME=VALUE', multiple: true, help: 'or @FILE (WSTUNNEL_COOKIE)' },
  header: { value: 'NAME:VALUE', multiple: true, help: 'or @FILE, with one on each line' },
  'host-header': { value: 'HOST', more: true, help: "Host, where it is not the URL's" },
  origin: { value: 'ORIGIN', help: 'for servers that let only their own pages in' },
  subprotocol: { value: 'NAME', multiple: true, help: 'offered to the server (binary)' },
  ca: { value: 'FILE', help: "the server's certificate is of this CA" },
  cert: { value: 'FILE', help: 'client certificate and key, in PEM form' },
  key: { value: 'FILE' },
  servername: { value: 'NAME', more: true, help: "name in TLS, where it is not the URL's" },
  insecure: { help: "do not check the server's certificate" },
  proxy: { value: 'URL', help: 'HTTP proxy (HTTPS_PROXY, HTTP_PROXY, NO_PROXY)' },
  direct: { help: 'no proxy, whatever the environment says' },
  forward: { help: 'ws: alone: the proxy gets the request, not CONNECT', more: true },
  timeout: { value: 'SEC', help: 'until the tunnel is open (30)' },
  retry: { value: 'SEC', help: '--local: wait for a server that is down (15)' },
  ping: { value: 'SEC', help: 'between PINGs (30); silence after one (20)' },
  pong: { value: 'SEC' },
  verbose: { short: 'v', help: 'tell of every tunnel' },
  help: { short: 'h', help: 'this text (--help all: more); the version' },
  version: { short: 'V' },
} as const satisfies OptionSpecs;

/** The text of `--help`, or of `--help all`. */
export const connectHelp = (
  all: boolean,
): string => `Usage: express-wstunnel connect URL [--local ADDRESS] [options] [-- PROGRAM]

The other end: streams a local port, or standard input and output, through the
WebSocket at URL. In ~/.ssh/config: ProxyCommand express-wstunnel connect URL

${helpLines(CONNECT_FLAGS, all).join('\n')}
`;

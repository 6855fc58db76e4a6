import type { OptionSpecs } from './args.js';
import { CONNECT_FLAGS } from '../connect/connect-flags.js';
import { helpEntries } from './help.js';
import { EXIT } from '../exit.js';
import { LISTEN_FLAGS } from '../listen/settings/listen-flags.js';
import { PLAY_FLAGS } from '../play/play-flags.js';
import { version } from '../../helpers/version.js';

// A missing text for an exit code is a compile error.
const EXIT_TEXTS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'Success, or a clean end after a signal.',
  failed: 'An unexpected failure, or an open connection that broke.',
  usage: 'An invalid option or argument.',
  config: 'A file is missing or invalid: the message has line and column.',
  listen:
    "The command can't listen: the port is in use, a permission is missing, or this machine has no such address.",
  unreachable: "connect: the server can't be reached.",
  refused: 'connect: the server refused the tunnel.',
  notExecutable: "connect: the program after -- can't be executed.",
  notFound: 'connect: there is no such program.',
};

const ENVIRONMENT: Readonly<Record<string, string>> = {
  WSTUNNEL_SHARED_PASSWORD: 'The password for the Redis of --shared.',
  WSTUNNEL_USER: 'connect: a login, name:password.',
  WSTUNNEL_BEARER: 'connect: a bearer token.',
  WSTUNNEL_COOKIE: 'connect: a cookie, name=value.',
  HTTPS_PROXY:
    'connect: the HTTP proxy for wss: URLs; HTTP_PROXY is for ws:, ALL_PROXY for both, NO_PROXY names hosts without one.',
  NODE_EXTRA_CA_CERTS: 'A file of certificate authorities in addition to the public ones.',
  TMPDIR: 'The folder for the sockets of programs that the command starts.',
};

const EXAMPLES: readonly (readonly [text: string, line: string])[] = [
  [
    'noVNC for a VNC server, from this machine only:',
    'express-wstunnel 6080 127.0.0.1:5900 --web /usr/share/novnc',
  ],
  [
    'The same from other machines, with https and logins:',
    'express-wstunnel :443 127.0.0.1:5900 --web /usr/share/novnc \\\n  --cert desk.crt --key desk.key --auth desk.htpasswd',
  ],
  [
    'A local port that leads through a tunnel:',
    'express-wstunnel connect wss://desk.example.com/vnc --local 5901',
  ],
  ['The recordings of --record /var/lib/recordings:', 'express-wstunnel play /var/lib/recordings'],
];

/** Longest line of the page's source, in characters; roff wraps the text again. */
const WIDTH = 78;

/** The manual page in man(7) format: the output of `express-wstunnel --help man`, and a file of the package. */
export function manualPage(): string {
  return [
    `.TH EXPRESS\\-WSTUNNEL 1 "" "express\\-wstunnel ${version()}" "User Commands"`,
    '.SH NAME',
    'express\\-wstunnel \\- carry TCP and unix sockets through WebSockets',
    '.SH SYNOPSIS',
    ...synopsis('[listen] [[ADDRESS:]PORT] TARGET... [options]'),
    '.PP',
    ...synopsis('connect URL [--local ADDRESS | --stdio] [options]'),
    '.PP',
    ...synopsis('play FILE... | FOLDER [options]'),
    '.PP',
    ...synopsis('completion bash|zsh|fish'),
    '.SH DESCRIPTION',
    ...filled(
      'Accepts WebSockets on 127.0.0.1:6080, or on ADDRESS:PORT, and streams their bytes to TARGET: HOST:PORT, PORT, ' +
        'unix:PATH or tls:HOST:PORT; or passes their messages to another WebSocket server: ws://HOST/PATH or ' +
        'wss://HOST/PATH. express-wstunnel connect is the client: it streams a local port, or standard input and ' +
        'output, through the WebSocket at URL. express-wstunnel play lists, plays and converts the recordings of --record. ' +
        'The README of the package explains each option in more detail.',
    ),
    '.SH OPTIONS',
    ...options(LISTEN_FLAGS),
    '.SH OPTIONS OF CONNECT',
    ...options(CONNECT_FLAGS),
    '.SH OPTIONS OF PLAY',
    ...options(PLAY_FLAGS),
    '.SH SIGNALS',
    ...item(
      'SIGTERM, SIGINT',
      'Accepts no new connections, sends a Close to every tunnel, and exits. A second signal exits at once.',
    ),
    ...item('SIGHUP', 'Reloads all files. Open tunnels stay open.'),
    '.SH ENVIRONMENT',
    ...Object.entries(ENVIRONMENT).flatMap(([name, text]) => item(name, text)),
    '.SH EXIT STATUS',
    ...Object.entries(EXIT).flatMap(([name, code]) =>
      item(String(code), EXIT_TEXTS[name as keyof typeof EXIT]),
    ),
    '.SH EXAMPLES',
    ...EXAMPLES.flatMap(([text, line], index) => [
      ...(index === 0 ? [] : ['.PP']),
      ...filled(text),
      '.PP',
      '.RS 4',
      '.nf',
      ...line.split('\n').map(escaped),
      '.fi',
      '.RE',
    ]),
    '.SH SEE ALSO',
    '.BR ssh_config (5),',
    '.BR websockify (1)',
    '',
  ].join('\n');
}

function synopsis(text: string): string[] {
  return ['.B express\\-wstunnel', escaped(text)];
}

function options(specs: OptionSpecs): string[] {
  return helpEntries(specs).flatMap(({ name, short, value, help }) => {
    const names = [...(short === undefined ? [] : [`-${short}`]), `--${name}`];
    const shown = names.map((one) => `\\fB${escaped(one)}\\fR`).join(', ');
    return ['.TP', `${shown}${value === undefined ? '' : ` \\fI${escaped(value)}\\fR`}`, ...filled(help)];
  });
}

function item(name: string, text: string): string[] {
  return ['.TP', `.B ${escaped(name)}`, ...filled(text)];
}

/** Wraps text into lines of at most {@link WIDTH} characters, and escapes them. */
function filled(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map(escaped);
}

/** Escapes text for roff: a leading dot or quote must not become a request, and a minus must stay a minus that can be copied. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
}

import type { OptionSpecs } from './args.js';
import { CONNECT_FLAGS } from '../connect/connect-flags.js';
import { helpEntries } from './help.js';
import { EXIT } from '../exit.js';
import { LISTEN_FLAGS } from '../listen/settings/listen-flags.js';
import { version } from './version.js';

// A code without its text does not compile.
const EXIT_TEXTS: Readonly<Record<keyof typeof EXIT, string>> = {
  ok: 'It ended in order.',
  failed: 'Something failed that should not.',
  usage: 'A wrong option or argument.',
  config: 'A file is missing or wrong: the message has line and column.',
  listen:
    "It can't listen: the port is in use, a permission is missing, or this machine has no such address.",
  unreachable: "connect: the other end can't be reached.",
  refused: 'connect: the other end gave no tunnel.',
  notExecutable: "connect: the program after -- can't be executed.",
  notFound: 'connect: there is no such program.',
};

const ENVIRONMENT: Readonly<Record<string, string>> = {
  WSTUNNEL_USER: 'connect: a login, name:password.',
  WSTUNNEL_BEARER: 'connect: a bearer token.',
  WSTUNNEL_COOKIE: 'connect: a cookie, name=value.',
  HTTPS_PROXY:
    'connect: the HTTP proxy for wss: URLs; HTTP_PROXY is for ws:, ALL_PROXY for both, NO_PROXY names hosts without one.',
  NODE_EXTRA_CA_CERTS: 'A file of certificate authorities in addition to the public ones.',
  TMPDIR: 'The folder for sockets of programs that it starts.',
};

const EXAMPLES: readonly (readonly [text: string, line: string])[] = [
  [
    'noVNC in front of a VNC server, for this machine alone:',
    'express-wstunnel 6080 127.0.0.1:5900 --web /usr/share/novnc',
  ],
  [
    'For others, with https and logins:',
    'express-wstunnel :443 127.0.0.1:5900 --web /usr/share/novnc \\\n  --cert desk.crt --key desk.key --auth desk.htpasswd',
  ],
  ['A local port to a tunnel:', 'express-wstunnel connect wss://desk.example.com/vnc --local 5901'],
];

/** Lines of the source; roff fills them anew. */
const WIDTH = 78;

/** The manual page, in man(7): `express-wstunnel --help man`, and a file of the package. */
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
    ...synopsis('completion bash|zsh|fish'),
    '.SH DESCRIPTION',
    ...filled(
      'Opens WebSockets on 127.0.0.1:6080, or at ADDRESS:PORT, and streams their bytes to TARGET: HOST:PORT, PORT, unix:PATH ' +
        'or tls:HOST:PORT. With connect it is the other end: it streams a local port, or standard input and output, through ' +
        'the WebSocket at URL. The README of the package says more about each option.',
    ),
    '.SH OPTIONS',
    ...options(LISTEN_FLAGS),
    '.SH OPTIONS OF CONNECT',
    ...options(CONNECT_FLAGS),
    '.SH SIGNALS',
    ...item(
      'SIGTERM, SIGINT',
      'No new connections, a Close to every tunnel, and the end; a second one ends it at once.',
    ),
    ...item('SIGHUP', 'Reads all files again. Open tunnels stay open.'),
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

/** As lines that are not too long for the tools that read them. */
function filled(text: string): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    if (last !== '' && last.length + word.length >= WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines.map(escaped);
}

/** Text is no request of roff, whatever it begins with, and a minus is a minus: it can be copied. */
function escaped(text: string): string {
  return text.replaceAll('\\', '\\e').replaceAll('-', '\\-').replace(/^[.']/, '\\&$&');
}

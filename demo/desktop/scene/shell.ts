import { terminalColors as colors } from './theme.js';

export interface Span {
  readonly text: string;
  readonly color: number;
}

export type Row = readonly Span[];

export interface Session {
  readonly name: string;
  /** Date.now() of the desktop's start. */
  readonly since: number;
  readonly history: readonly string[];
}

const say = (text: string, color: number = colors.text): Row => [{ text, color }];

const help: readonly (readonly [string, string])[] = [
  ['help', 'this list'],
  ['about', 'about this desktop'],
  ['date', 'date and time'],
  ['echo', 'print a text'],
  ['history', 'the lines typed before'],
  ['ls', 'list the files'],
  ['uptime', 'time since the start'],
  ['whoami', 'your user name'],
  ['clear', 'clear the screen (also Ctrl+L)'],
];

export function duration(milliseconds: number): string {
  const seconds = Math.floor(milliseconds / 1000);
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  return h > 0 ? `${h} h ${m} min` : m > 0 ? `${m} min ${s} s` : `${s} s`;
}

/** The answer to a line. The shell is a picture of a shell: it runs no programs. */
export function answer(line: string, { name, since, history }: Session): readonly Row[] {
  const [command = '', ...rest] = line.trim().split(/\s+/);
  switch (command) {
    case '':
      return [];
    case 'help':
      return help.map(([word, what]) => [
        { text: `  ${word.padEnd(10)}`, color: colors.accent },
        { text: what, color: colors.text },
      ]);
    case 'about':
      return [
        say(`This is ${name}: a desktop drawn pixel by pixel`),
        say('and sent as the Remote Framebuffer protocol of RFC 6143.'),
        say('Everyone who connects sees and moves the same windows.', colors.dim),
      ];
    case 'date':
      return [say(new Date().toString().replace(/ \(.*\)$/, ''))];
    case 'echo':
      return [say(rest.join(' '))];
    case 'history':
      return history.slice(-12).map((entry, at, all) => [
        { text: `${history.length - all.length + at + 1}`.padStart(4), color: colors.dim },
        { text: `  ${entry}`, color: colors.text },
      ]);
    case 'ls':
      return [
        [
          { text: 'Pictures  Music  ', color: colors.accent },
          { text: 'hello.txt  todo.md', color: colors.text },
        ],
      ];
    case 'uptime':
      return [say(`up ${duration(Date.now() - since)}`)];
    case 'whoami':
      return [say('guest')];
    default:
      return [
        [
          { text: `${command}: command not found. `, color: colors.warning },
          { text: 'Try help.', color: colors.dim },
        ],
      ];
  }
}

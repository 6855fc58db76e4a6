import { helpLines, type Args, type OptionSpecs } from '../command-line/args.js';

/** The options of `express-wstunnel play`, in the order of the help and of the table in the README. */
export const PLAY_FLAGS = {
  speed: { value: 'NUMBER', help: 'times the recorded speed: 0.01 to 1000, or max' },
  to: { value: 'FORMAT', help: 'novnc, fbs, asciicast or raw; into a new file' },
  output: { value: 'FILE' },
  list: { help: 'list recordings; as JSON' },
  json: {},
  listen: { value: 'ADDRESS', help: 'serve the recording to noVNC; with its page' },
  web: { value: 'DIR' },
  auth: { value: '[USER:]FILE', multiple: true, help: '--listen: logins' },
  cert: { value: 'FILE', help: '--listen: https, certificate and key in PEM form' },
  key: { value: 'FILE' },
  origin: { value: 'LIST', multiple: true, help: '--listen: origins that may connect; server names' },
  name: { value: 'NAME', multiple: true },
  help: { short: 'h', help: 'this help; the version' },
  version: { short: 'V' },
} as const satisfies OptionSpecs;

/** The options that `--listen` passes to `express-wstunnel listen`. */
export const SERVING_FLAGS = ['listen', 'web', 'auth', 'cert', 'key', 'origin', 'name'] as const;

/** The parsed command line. */
export type PlayArgs = Args<typeof PLAY_FLAGS>;

/** The text of `--help`. */
export const playHelp = (): string => `Usage: express-wstunnel play FILE [options]
       express-wstunnel play FOLDER | FILE... [--list] [--json]

Plays a recording of listen --record: a terminal in this terminal, a desktop to
noVNC (--listen). A folder, or several files, are listed.

${helpLines(PLAY_FLAGS, true).join('\n')}
`;

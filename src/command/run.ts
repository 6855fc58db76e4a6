import { nearest } from '../options/checks/nearest.js';
import { usageError } from './command-line/args.js';
import { EXIT } from './exit.js';
import type { Io } from './process/io.js';
import { exitCodeOf } from './process/exit-code.js';
import { version } from '../helpers/version.js';

type Command = (args: string[], io: Io) => Promise<number>;

// Each command is loaded on demand, since `connect` needs no Express.
const COMMANDS = {
  listen: async (): Promise<Command> => (await import('./listen-command.js')).listenCommand,
  connect: async (): Promise<Command> => (await import('./connect-command.js')).connectCommand,
  play: async (): Promise<Command> => (await import('./play-command.js')).playCommand,
  completion: async (): Promise<Command> => (await import('./completion-command.js')).completionCommand,
};

/** Runs the subcommand, and resolves to the exit code. Never rejects: errors are printed to stderr. */
export function run(args: readonly string[], io: Io): Promise<number> {
  return exitCodeOf(io, () => dispatch(args, io));
}

async function dispatch(args: readonly string[], io: Io): Promise<number> {
  const [first = '', ...rest] = args;
  if (first === '--version' || first === '-V') {
    io.stdout.write(`${version()}\n`);
    return EXIT.ok;
  }
  if ((first === '--help' || first === '-h') && rest[0] === 'man') {
    io.stdout.write((await import('./command-line/manual.js')).manualPage());
    return EXIT.ok;
  }
  if (isCommand(first)) return (await COMMANDS[first]())(rest, io);
  // An address is never a bare word, so a word similar to a command's name is a misspelt command.
  const near = /^[a-z]+$/i.test(first) ? nearest(first, Object.keys(COMMANDS)) : undefined;
  if (near !== undefined) throw usageError(`there is no command ${first}; did you mean ${near}?`);
  return (await COMMANDS.listen())([...args], io);
}

function isCommand(name: string): name is keyof typeof COMMANDS {
  return Object.hasOwn(COMMANDS, name);
}

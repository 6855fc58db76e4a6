import { messageOf } from '../errors.js';
import { onOneLine } from '../helpers/one-line.js';
import { CommandError, EXIT } from './exit.js';
import { say, type Io } from './io.js';

type Command = (args: string[], io: Io) => Promise<number>;

// Each is loaded when it is asked for: `connect` needs no Express.
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  listen: async () => (await import('./listen.js')).listenCommand,
  connect: async () => (await import('./connect.js')).connectCommand,
};

/** Runs the subcommand; resolves to the exit code. Never rejects: what went wrong is one line on stderr. */
export async function run(args: readonly string[], io: Io): Promise<number> {
  const [first = '', ...rest] = args;
  const named = Object.hasOwn(COMMANDS, first) ? COMMANDS[first] : undefined;
  try {
    const command = await (named ?? COMMANDS.listen)?.();
    return (await command?.(named ? rest : [...args], io)) ?? EXIT.failed;
  } catch (error) {
    const line = error instanceof CommandError ? error.message : `unexpected: ${messageOf(error)}`;
    say(io, String(onOneLine(line)));
    return error instanceof CommandError ? error.exitCode : EXIT.failed;
  }
}

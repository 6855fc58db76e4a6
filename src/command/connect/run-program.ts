import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { constants } from 'node:os';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import type { Io, Signal } from '../process/io.js';

/** The signals that a terminal sends to every process in its foreground, and therefore to the program too. */
const OF_TERMINAL: readonly Signal[] = ['SIGINT', 'SIGQUIT'];

/**
 * Runs a program on our terminal and in our process group, so that the program can read from the terminal, and the terminal can
 * stop and continue the program. Forwards signals. Resolves to the program's exit code; after a signal, to 128 plus the signal's
 * number, as in shells.
 *
 * @throws {CommandError} 127 where there is no such program, 126 where it can't be executed
 */
export async function runProgram(
  io: Io,
  [name = '', ...args]: readonly string[],
  environment: Readonly<Record<string, string>>,
): Promise<number> {
  const child = spawn(name, args, { stdio: 'inherit', env: { ...io.environment, ...environment } });
  const stop = io.onSignal(['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP'], (signal) => {
    if (!(io.isOnTerminal() && OF_TERMINAL.includes(signal))) child.kill(signal);
  });
  try {
    // `once` rejects at an `error` event: the program did not start.
    const [code, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const isMissing = code === 'ENOENT';
    throw new CommandError(
      isMissing ? EXIT.notFound : EXIT.notExecutable,
      `can't run "${name}": ${isMissing ? 'there is no such program' : reasonOf(error)}`,
      { cause: error },
    );
  } finally {
    stop();
  }
}

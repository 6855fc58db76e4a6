import { messageOf } from '../../errors.js';
import { CommandError, EXIT, messagesOf } from '../exit.js';
import { printMessage, type Io } from './io.js';

/** Runs an action, and resolves to its exit code. Never rejects: prints an error to stderr, and resolves to the error's exit code. */
export async function exitCodeOf(io: Io, action: () => Promise<number>): Promise<number> {
  try {
    return await action();
  } catch (error) {
    const isKnown = error instanceof CommandError;
    const lines = isKnown ? messagesOf(error) : [`unexpected: ${messageOf(error)}`];
    for (const line of lines) printMessage(io, line);
    return isKnown ? error.exitCode : EXIT.failed;
  }
}

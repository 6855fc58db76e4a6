import { messageOf } from '../../errors.js';
import { CommandError, EXIT, linesOf } from '../exit.js';
import { say, type Io } from './io.js';

/** The exit code of an action, whose error becomes a line on stderr. Never rejects. */
export async function settled(io: Io, action: () => Promise<number>): Promise<number> {
  try {
    return await action();
  } catch (error) {
    const isKnown = error instanceof CommandError;
    const lines = isKnown ? linesOf(error) : [`unexpected: ${messageOf(error)}`];
    for (const line of lines) say(io, line);
    return isKnown ? error.exitCode : EXIT.failed;
  }
}

import { CommandError, EXIT } from './exit.js';
import { say, type Io } from './io.js';

/** `express-wstunnel listen`. Resolves to the exit code. */
export function listenCommand(args: string[], io: Io): Promise<number> {
  say(io, `listen ${args.join(' ')}`);
  return Promise.reject(new CommandError(EXIT.failed, 'listen is not there yet'));
}

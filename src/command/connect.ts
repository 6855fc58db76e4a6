import { CommandError, EXIT } from './exit.js';
import { say, type Io } from './io.js';

/** `express-wstunnel connect`. Resolves to the exit code. */
export function connectCommand(args: string[], io: Io): Promise<number> {
  say(io, `connect ${args.join(' ')}`);
  return Promise.reject(new CommandError(EXIT.failed, 'connect is not there yet'));
}

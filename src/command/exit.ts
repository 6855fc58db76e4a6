import { messageOf } from '../errors.js';

/** The exit codes of the command. A test compares them with the table in the README. */
export const EXIT = {
  /** Success, or a clean end after a signal. */
  ok: 0,
  /** A defect, or an open connection that broke. */
  failed: 1,
  /** An invalid option or argument. */
  usage: 2,
  /** A required file can't be read, or is invalid. */
  config: 3,
  /** The command can't listen: the port is in use, the address belongs to another machine, or the permission is missing. */
  listen: 4,
  /** The server can't be reached: host name, refused connection, timeout, TLS or proxy failure. */
  unreachable: 5,
  /** The server answered but opened no tunnel: 401, 403, 502, or an answer that is not a WebSocket handshake. */
  refused: 6,
  /** As in shells: the program after `--` can't be executed. */
  notExecutable: 126,
  /** As in shells: there is no program of this name. */
  notFound: 127,
} as const;

/** The exit codes that shells use after a signal: 128 plus the signal's number. */
export const SIGNALLED = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;

/** The error's message; of a {@link CommandError}, every message. */
export function messagesOf(error: unknown): readonly [string, ...string[]] {
  return error instanceof CommandError ? [error.message, ...error.more] : [messageOf(error)];
}

/** An error that ends the command: the messages are printed without a stack, and the process exits with the code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;
  /** Messages of further errors. */
  readonly more: readonly string[];

  constructor(exitCode: number, message: string, options: ErrorOptions & { more?: readonly string[] } = {}) {
    const { more = [], ...rest } = options;
    super(message, rest);
    this.exitCode = exitCode;
    this.more = more;
  }
}

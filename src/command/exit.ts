import { messageOf, type TunnelError } from '../errors.js';

/** What the command ends with. The README's table says the same. */
export const EXIT = {
  /** All done, or ended in order by a signal. */
  ok: 0,
  /** A defect, or a connection that broke once it was open. */
  failed: 1,
  /** A wrong option or argument. */
  usage: 2,
  /** A file that it needs can't be read, or is wrong. */
  config: 3,
  /** It can't listen there: the port is in use, the address not ours, the permission missing. */
  listen: 4,
  /** The other end can't be reached: name, refusal, time-out, TLS, a proxy that fails. */
  unreachable: 5,
  /** The other end answered, and it was no tunnel: 401, 403, 502, or no WebSocket at all. */
  refused: 6,
  /** As shells have it: the program after `--` can't be executed. */
  notExecutable: 126,
  /** Or there is none of this name. */
  notFound: 127,
} as const;

/** What a shell calls a program that a signal ended: 128 and the signal's number. */
export const SIGNALLED = { SIGHUP: 129, SIGINT: 130, SIGQUIT: 131, SIGTERM: 143 } as const;

/** The lines that say what went wrong. */
export function messagesOf(error: unknown): readonly [string, ...string[]] {
  return error instanceof CommandError ? [error.message, ...error.more] : [messageOf(error)];
}

/** What the middleware has against an option, without its name in front: the command has its own. */
export function optionMessageOf({ message }: TunnelError): string {
  return message.replace(/^wstunnel: /, '');
}

/** Ends the command: one plain line for the user, or several, without a stack, and the exit code. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly exitCode: number;
  /** Further lines: other things that are wrong. */
  readonly more: readonly string[];

  constructor(exitCode: number, message: string, options: ErrorOptions & { more?: readonly string[] } = {}) {
    const { more = [], ...rest } = options;
    super(message, rest);
    this.exitCode = exitCode;
    this.more = more;
  }
}

import { usageError } from './command-line/args.js';
import { bash } from './completion/bash.js';
import { fish } from './completion/fish.js';
import { SHELLS } from './completion/completed-flags.js';
import { zsh } from './completion/zsh.js';
import { EXIT } from './exit.js';
import type { Io } from './process/io.js';

const SCRIPTS: Readonly<Record<(typeof SHELLS)[number], () => string>> = { bash, zsh, fish };

/** `express-wstunnel completion SHELL`: prints a completion script, generated from the option tables. */
export function completionCommand(args: readonly string[], io: Io): Promise<number> {
  const [given, ...rest] = args;
  const shell = SHELLS.find((name) => name === given);
  if (shell === undefined || rest.length > 0)
    throw usageError('give bash, zsh or fish, such as: source <(express-wstunnel completion bash)');
  io.stdout.write(SCRIPTS[shell]());
  return Promise.resolve(EXIT.ok);
}

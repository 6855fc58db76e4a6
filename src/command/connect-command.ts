import { join } from 'node:path';
import { readArgs, wantsFullHelp } from './command-line/args.js';
import { runInBackground } from './process/background.js';
import { readConnectPlan } from './connect/connect-plan.js';
import type { BackgroundStart } from './connect/background-child.js';
import { runLocal } from './connect/local-port.js';
import { connectHelp, CONNECT_FLAGS } from './connect/connect-flags.js';
import { runStdio } from './connect/stdio.js';
import { EXIT } from './exit.js';
import { printMessage, type Io } from './process/io.js';
import { version } from '../helpers/version.js';

/**
 * `express-wstunnel connect`: the client. Resolves to the exit code.
 *
 * @throws {CommandError} for a tunnel that can't be opened, or that breaks; nothing is left running then
 */
export async function connectCommand(args: string[], io: Io): Promise<number> {
  const { own, program } = splitProgram(args);
  const given = readArgs(own, CONNECT_FLAGS);
  if (given.has('help') || given.has('version')) {
    io.stdout.write(given.has('help') ? connectHelp(wantsFullHelp(given)) : `${version()}\n`);
    return EXIT.ok;
  }
  const plan = readConnectPlan(given, io, (line) => printMessage(io, line), program);
  if (given.has('insecure')) printMessage(io, "warning: the server's certificate is not checked");
  const isVerbose = given.has('verbose');
  if (given.has('background')) {
    const message: BackgroundStart = { plan, isVerbose };
    const announce = (pid: number) => io.stdout.write(`${pid}\n`);
    return runInBackground(io, {
      script: join(__dirname, 'connect/background-child.js'),
      args,
      message,
      announce,
    });
  }
  return (plan.local === undefined ? runStdio : runLocal)(io, plan, isVerbose);
}

/** Splits the arguments at `--`, which precedes a program and its arguments. */
function splitProgram(args: readonly string[]): { own: readonly string[]; program?: readonly string[] } {
  const end = args.indexOf('--');
  return end === -1 ? { own: args } : { own: args.slice(0, end), program: args.slice(end + 1) };
}

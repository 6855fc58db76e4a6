import { readArgs, wantsAll } from './args.js';
import { readConnectPlan } from './connect/arguments.js';
import { runLocal } from './connect/local.js';
import { connectHelp, CONNECT_OPTIONS } from './connect/options.js';
import { runStdio } from './connect/stdio.js';
import { EXIT } from './exit.js';
import { say, type Io } from './io.js';
import { version } from './version.js';

/**
 * `express-wstunnel connect`: the other end. Resolves to the exit code.
 *
 * @throws {CommandError} for a tunnel that can't be opened, or that breaks; nothing is left running then.
 */
export async function connectCommand(args: string[], io: Io): Promise<number> {
  const given = readArgs(args, CONNECT_OPTIONS);
  if (given.has('help') || given.has('version')) {
    io.stdout.write(given.has('help') ? connectHelp(wantsAll(given)) : `${version()}\n`);
    return EXIT.ok;
  }
  const plan = readConnectPlan(given, io, (line) => say(io, line));
  if (given.has('insecure')) say(io, "beware: the server's certificate is not checked");
  const run = plan.local === undefined ? runStdio : runLocal;
  return run(io, plan, given.has('verbose'));
}

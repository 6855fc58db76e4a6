import { readArgs, wantsAll } from './args.js';
import { EXIT } from './exit.js';
import type { Io } from './io.js';
import { readPlan } from './listen/arguments.js';
import { checkConfig } from './listen/check.js';
import { listenHelp, LISTEN_OPTIONS } from './listen/options.js';
import { Running } from './listen/running.js';
import { version } from './version.js';

/**
 * `express-wstunnel [listen]`: an Express app of its own around the middleware. Resolves to the exit code, once a signal has
 * ended it.
 *
 * @throws {CommandError} for whatever keeps it from starting; nothing is left running then.
 */
export async function listenCommand(args: string[], io: Io): Promise<number> {
  const given = readArgs(args, LISTEN_OPTIONS);
  if (given.has('help') || given.has('version')) {
    io.stdout.write(given.has('help') ? listenHelp(wantsAll(given)) : `${version()}\n`);
    return EXIT.ok;
  }
  if (given.has('check-config')) return checkConfig(io, readPlan(given));
  return new Running(io, () => readPlan(given)).run();
}

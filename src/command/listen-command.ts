import { readArgs, usageError, wantsFullHelp } from './command-line/args.js';
import { runInBackground } from './process/background.js';
import { EXIT } from './exit.js';
import { printMessage, type Io } from './process/io.js';
import { readPlan } from './listen/settings/read-plan.js';
import { checkWraps, readWebsockify, withWebsockify } from './listen/settings/websockify-flags.js';
import { placeInJson } from './listen/settings/config-json.js';
import { checkConfig } from './listen/settings/check-config.js';
import { listenHelp, LISTEN_FLAGS } from './listen/settings/listen-flags.js';
import { ListenProcess } from './listen/listen-process.js';
import { version } from '../helpers/version.js';

/**
 * `express-wstunnel [listen]`: an Express app around the middleware. Resolves to the exit code once a signal has ended the command.
 *
 * @throws {CommandError} where the command can't start; nothing is left running then
 */
export async function listenCommand(args: string[], io: Io): Promise<number> {
  const specs = withWebsockify(LISTEN_FLAGS);
  const typed = readArgs(args, specs, placeInJson);
  if (typed.has('help') || typed.has('version')) {
    io.stdout.write(typed.has('help') ? listenHelp(wantsFullHelp(typed)) : `${version()}\n`);
    return EXIT.ok;
  }
  checkWraps(args, (some) => readArgs(some, specs).positionals);
  const given = readWebsockify(typed);
  const isForAll = io.calledAs === 'websockify';
  if (given.has('check-config')) return checkConfig(io, readPlan(given, isForAll));
  if (given.has('daemon') && !io.onReady) {
    if (given.text('log') === '-') throw usageError('--daemon closes standard output: give --log a file');
    // The channel between the two processes uses the number of the passed descriptor.
    if ([...given.list('listen'), ...given.positionals].some((text) => text.startsWith('fd:')))
      throw usageError("--daemon can't be combined with a passed socket (fd:3): systemd needs no --daemon");
    const announce = (pid: number) => printMessage(io, `running in the background as process ${pid}`);
    return runInBackground(io, { script: process.argv[1] ?? '', args, announce });
  }
  const read = () => readPlan(given, isForAll);
  const plan = read();
  if (plan.workers === undefined) return new ListenProcess(io, plan, read).run();
  const { Supervisor } = await import('./listen/workers/supervisor.js');
  return new Supervisor(io, plan, read, { args, isForAll }).run();
}

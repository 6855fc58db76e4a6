import { plainMessageOf, TunnelError } from '../../errors.js';
import { player } from '../../record/player.js';
import type { Host } from '../../types.js';
import { readArgs } from '../command-line/args.js';
import { CommandError, EXIT } from '../exit.js';
import { ListenProcess } from '../listen/listen-process.js';
import type { Plan } from '../listen/plan.js';
import { LISTEN_FLAGS } from '../listen/settings/listen-flags.js';
import { readPlan } from '../listen/settings/read-plan.js';
import { isNovnc } from '../listen/site/novnc/folder.js';
import type { Io } from '../process/io.js';
import { SERVING_FLAGS, type PlayArgs } from './play-flags.js';
import { openRecording } from './recording-facts.js';

/** Takes the place of a target in the arguments of `listen`, and is never dialled. */
const NO_TARGET = '127.0.0.1:1';

/** Serves the recording as `listen` serves a target: each tunnel plays it from its start. Resolves to the exit code. */
export async function serve(io: Io, args: PlayArgs, file: string, speed: number): Promise<number> {
  // Its error names the file and not `player()`.
  await (await openRecording(file)).close();
  const given = SERVING_FLAGS.flatMap((name) => args.list(name).map((value) => `--${name}=${value}`));
  const host = hostOf(file, speed);
  const read = (): Plan => {
    const plan = readPlan(readArgs([...given, NO_TARGET], LISTEN_FLAGS));
    // A page that connects again by itself would play the recording again and again.
    const isNovncPage = plan.web !== undefined && isNovnc(plan.web.folder);
    return {
      ...plan,
      target: file,
      tunnel: { ...plan.tunnel, server: host },
      ...(isNovncPage && { novnc: { reconnect: false } }),
    };
  };
  return new ListenProcess(io, read(), read).run();
}

function hostOf(file: string, speed: number): Host {
  try {
    return player(file, { speed });
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandError(EXIT.config, plainMessageOf(error), { cause: error });
  }
}

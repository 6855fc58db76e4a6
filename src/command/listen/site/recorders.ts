import { accessSync, constants, existsSync, mkdirSync, realpathSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { plainMessageOf, TunnelError } from '../../../errors.js';
import { makeFileRecorder } from '../../../record/file-recorder.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf, requireFolder } from '../../files.js';
import { foldersOf, type MiddlewareOptions, type Plan, type RecordSettings } from '../plan.js';
import { isInside, realOf } from './private-files.js';

type Recorder = NonNullable<MiddlewareOptions['record']>;

/** Nobody else may list or read the recordings. */
const MODE = 0o700;

/** Keeps the recorder over reloads, so that old and new recordings share one memory limit. */
export class Recorders {
  readonly #report: (message: string) => void;
  #last: { readonly settings: RecordSettings; readonly recorder: Recorder } | undefined;

  /** `report`: gets the failure of a recording. */
  constructor(report: (message: string) => void) {
    this.#report = report;
  }

  /** The recorder of a plan; its folder is created if it is missing. @throws {CommandError} for a folder that is not usable */
  recorderOf(plan: Plan): Recorder | undefined {
    const { record: settings } = plan;
    if (!settings) return undefined;
    checkRecordFolder(plan);
    createFolder(settings.folder);
    if (!this.#last || !isDeepStrictEqual(this.#last.settings, settings))
      this.#last = { settings, recorder: recorderFor(settings, this.#report) };
    return this.#last.recorder;
  }
}

/** Checks the folder of `--record` without creating it. @throws {CommandError} */
export function checkRecordFolder(plan: Plan): void {
  const { folder } = plan.record ?? {};
  if (folder === undefined) return;
  const isThere = existsSync(folder);
  const checked = isThere ? folder : dirname(folder);
  requireFolder(checked);
  const real = isThere ? realpathSync(folder) : join(realpathSync(checked), basename(folder));
  for (const served of foldersOf(plan))
    if (isInside(realOf(served.folder), real))
      throw new CommandError(
        EXIT.config,
        `--record ${folder}: recordings contain secrets, and ${served.by} serves everything in ${served.folder}: give a folder outside of that folder`,
      );
  try {
    // To create a file in a folder, the process also needs the search permission.
    accessSync(checked, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw notWritable(checked, error);
  }
}

function createFolder(folder: string): void {
  try {
    mkdirSync(folder, { mode: MODE });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw notWritable(folder, error);
  }
}

function notWritable(folder: string, error: unknown): CommandError {
  const advice = 'recordings need a folder that the user of this process may write to';
  return new CommandError(EXIT.config, `${folder}: ${reasonOf(error)}: ${advice}`, { cause: error });
}

function recorderFor(settings: RecordSettings, report: (message: string) => void): Recorder {
  try {
    return makeFileRecorder(settings, report);
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    throw new CommandError(EXIT.config, plainMessageOf(error), { cause: error });
  }
}

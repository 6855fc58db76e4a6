import { accessSync, constants, statSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { resolve } from 'node:path';
import type { Duplex } from 'node:stream';
import { isStream } from '../backends/stream.js';
import { isPromise } from '../helpers/abort.js';
import { reasonOf } from '../helpers/system-error.js';
import { noteFailedStart, reportRecordingFailure } from '../observe/recording-failure.js';
import { checkFunction, checkText, oneOf, wholeNumber } from '../options/checks/basic.js';
import { fail } from '../options/checks/fail.js';
import { noteMaker } from '../options/checks/makers.js';
import { checkNames } from '../options/checks/names.js';
import { ignoreErrors } from '../streams/ignore-errors.js';
import type { Recorder, TunnelInfo } from '../types.js';
import { FileRecording } from './file/file-recording.js';
import { defaultName, safeName } from './file/names.js';

/** The options of `fileRecorder()`. */
export interface FileRecorderOptions<Req extends IncomingMessage = IncomingMessage> {
  /** An existing folder that this process may write to. */
  folder: string;
  /**
   * The name of the file, without folder and suffix. Every character other than letters, digits, `.`, `_`, `@` and `-` becomes `_`. A name
   * that is in use gets a number. Default: start, user and the first eight characters of the id.
   */
  name?: (tunnel: TunnelInfo, req: Req) => string;
  /** `'out'`, the default: only what the client receives. `'both'`: also what the client sends, passwords included. */
  direction?: 'out' | 'both';
  /** The size of a file in bytes, at least 64 KiB; a longer recording fails. Default: no limit. */
  maxBytes?: number;
  /**
   * Returns a stream, such as a cipher of `node:crypto`, through which the bytes of the file pass, so that nobody can read the recording on
   * the disk. Called for each recording. The file's name ends with `.wsrec.enc`.
   */
  encrypt?: (tunnel: TunnelInfo, req: Req) => Duplex;
  /**
   * What the tunnel does if its recording fails: the disk is full, slow or gone, or `maxBytes` is reached. `'continue'`, the default: the
   * tunnel goes on. `'close'`: the tunnel ends with Close 1011.
   */
  whenFails?: 'close' | 'continue';
}

const EXAMPLE = "{ folder: '/var/lib/recordings' }";

const CHECKS = {
  folder: checkText,
  name: checkFunction,
  direction: oneOf(['out', 'both']),
  encrypt: checkFunction,
  maxBytes: wholeNumber(65_536, Number.MAX_SAFE_INTEGER),
  whenFails: oneOf(['close', 'continue']),
};

/**
 * Makes a function for the option `record` of `wstunnel()` that records each tunnel in a file of its own:
 *
 *     wstunnel({ server: { port: 5900 }, record: fileRecorder({ folder: '/var/lib/recordings' }) })
 *
 * Only the user of this process can read the files. A file is named `.part` until the tunnel ends. The bytes are copied into a queue of at
 * most 32 MiB for each tunnel: a slow disk never slows a tunnel.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option, and for a folder that does not exist or can't be written to.
 */
export function fileRecorder<Req extends IncomingMessage = IncomingMessage>(
  options: FileRecorderOptions<Req>,
): (tunnel: TunnelInfo, req: Req) => Recorder | undefined {
  if (typeof options !== 'object') fail('fileRecorder()', `needs an object, such as ${EXAMPLE}`, options);
  checkNames(options, 'fileRecorder()', CHECKS);
  const recorder = makeFileRecorder(options);
  if (options.direction === 'both') warnOfInput(options.folder);
  return recorder;
}

noteMaker(fileRecorder, `fileRecorder(${EXAMPLE})`);

/**
 * As `fileRecorder()`, for a caller that has checked the options and warns of `direction: 'both'` itself. `report`: gets each failure in
 * place of a process warning.
 */
export function makeFileRecorder<Req extends IncomingMessage = IncomingMessage>(
  options: FileRecorderOptions<Req>,
  report?: (message: string) => void,
): (tunnel: TunnelInfo, req: Req) => Recorder | undefined {
  const { folder, name, encrypt, direction = 'out', maxBytes = Infinity, whenFails = 'continue' } = options;
  checkFolder(folder);
  const settings = { folder: resolve(folder), direction, maxBytes, whenFails, budget: { used: 0 }, report };
  return (tunnel, req) => {
    const start = Date.now();
    try {
      const chosen = name ? safeName(textOf(name(tunnel, req))) : defaultName(tunnel, start);
      const cipher = encrypt && streamOf(encrypt(tunnel, req));
      return new FileRecording(settings, chosen, tunnel, start, cipher);
    } catch (error) {
      if (whenFails === 'close') throw error;
      reportRecordingFailure('the start of a recording', error, report);
      noteFailedStart(tunnel);
      return undefined;
    }
  };
}

function textOf(name: unknown): string {
  ignoreRejection(name);
  if (typeof name !== 'string') throw new Error('name must return a string');
  return name;
}

function streamOf(stream: unknown): Duplex {
  ignoreRejection(stream);
  if (!isStream(stream)) throw new Error('encrypt must return a Duplex, such as a cipher');
  // The stream may fail before the file is open.
  return ignoreErrors(stream);
}

/** Nobody awaits the promise of an async function: a rejection would end the process. */
function ignoreRejection(given: unknown): void {
  if (isPromise(given)) Promise.resolve(given).catch(() => undefined);
}

function checkFolder(folder: string): void {
  if (typeof folder !== 'string')
    fail('fileRecorder()', 'needs folder, the path of an existing folder', folder);
  try {
    if (!statSync(folder).isDirectory()) throw new Error('it is a file');
    // To create a file in a folder, the process also needs the search permission.
    accessSync(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const must = `must be an existing folder that this process may write to (${reasonOf(error)})`;
    fail('fileRecorder().folder', must, folder);
  }
}

function warnOfInput(folder: string): void {
  process.emitWarning(
    `wstunnel: recordings in ${folder} contain what clients type, passwords too: record only what clients receive with direction 'out'`,
    { code: 'WSTUNNEL_RECORDS_INPUT' },
  );
}

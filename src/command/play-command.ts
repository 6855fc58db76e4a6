import { setTimeout as delay } from 'node:timers/promises';
import { version } from '../helpers/version.js';
import type { RecordingReader } from '../record/file/recording-reader.js';
import { readArgs, usageError } from './command-line/args.js';
import { CommandError, EXIT, SIGNALLED } from './exit.js';
import { convert, formatOf } from './play/convert.js';
import { isFolder, list, recordingsIn } from './play/list.js';
import { aborted, OutputClosed } from './play/output.js';
import { PLAY_FLAGS, playHelp, SERVING_FLAGS, type PlayArgs } from './play/play-flags.js';
import { factsOf, openRecording, stateOf } from './play/recording-facts.js';
import { serve } from './play/serve.js';
import { announce, playTerminal, summarize } from './play/show.js';
import { printMessage, type Io, type Signal } from './process/io.js';

/** Time after a signal to remove an unfinished file, in ms. */
const CLEANUP_DEADLINE = 1000;

/**
 * `express-wstunnel play`: lists, shows, converts and serves recordings. Resolves to the exit code.
 *
 * @throws {CommandError} for a file that is missing or not a recording, and for a failed write
 */
export async function playCommand(args: string[], io: Io): Promise<number> {
  const given = readArgs(args, PLAY_FLAGS);
  if (given.has('help') || given.has('version')) {
    io.stdout.write(given.has('help') ? playHelp() : `${version()}\n`);
    return EXIT.ok;
  }
  const speed = speedOf(given.text('speed'));
  checkCombination(given, io);
  const [file, ...more] = given.positionals;
  if (file === undefined) throw usageError('give the FILE of a recording, or a FOLDER');
  const isList = given.has('list') || given.has('json') || more.length > 0 || (await isFolder(file));
  if (given.has('listen') || given.has('to')) {
    if (isList) throw usageError(`--${given.has('to') ? 'to' : 'listen'} needs the FILE of one recording`);
    if (given.has('listen')) return serve(io, given, file, speed);
  }
  return untilSignal(io, async (signal) => {
    if (!isList) return playOne(io, given, { file, speed, signal });
    return list(io, await recordingsIn(given.positionals), given.has('json'), signal);
  });
}

interface One {
  readonly file: string;
  readonly speed: number;
  readonly signal: AbortSignal;
}

async function playOne(io: Io, given: PlayArgs, { file, speed, signal }: One): Promise<number> {
  const to = given.text('to');
  const facts = to === undefined ? await factsOf(file) : undefined;
  if (facts && facts.kind !== 'terminal') {
    await summarize(io, facts);
    return facts.state === 'damaged' ? EXIT.config : EXIT.ok;
  }
  const reader = await openRecording(file);
  try {
    if (facts) {
      announce(io, facts);
      await playTerminal(io, reader, speed, signal);
    } else await convert(io, reader, { format: formatOf(to ?? ''), output: given.text('output') }, signal);
    return reportEnd(io, reader, file);
  } finally {
    await reader.close();
  }
}

/** Reports records that are missing. Returns the exit code, which is 0 for a recording without an end. */
function reportEnd(io: Io, reader: RecordingReader, file: string): number {
  const { state, reason = '' } = stateOf(reader, file);
  if (state === 'damaged')
    throw new CommandError(
      EXIT.config,
      `${file}: the recording is damaged after its last readable record: ${reason}`,
    );
  if (state === 'stopped') printMessage(io, `${file}: the recording ends before its tunnel: ${reason}`);
  else if (state !== 'finished')
    printMessage(
      io,
      `${file}: the recording has no end: its tunnel is open, or the process that recorded was killed`,
    );
  return EXIT.ok;
}

/** Runs the action until a signal, or until the reader of standard output is gone. */
async function untilSignal(io: Io, action: (signal: AbortSignal) => Promise<number>): Promise<number> {
  const ending = new AbortController();
  let received: Signal | undefined;
  const stop = io.onSignal(['SIGINT', 'SIGTERM', 'SIGHUP'], (signal) => {
    received ??= signal;
    ending.abort();
  });
  const acting = action(ending.signal);
  try {
    return await Promise.race([acting, aborted(ending.signal)]);
  } catch (error) {
    if (received !== undefined) {
      // The action removes an unfinished file. The deadline is for a write to a pipe whose reader does not read.
      await Promise.race([acting.catch(() => undefined), delay(CLEANUP_DEADLINE)]);
      return SIGNALLED[received];
    }
    if (error instanceof OutputClosed) return EXIT.ok;
    throw error;
  } finally {
    stop();
  }
}

function speedOf(text: string | undefined): number {
  if (text === undefined) return 1;
  const speed = /^\d+(\.\d+)?$/.test(text) ? Number(text) : NaN;
  if (text === 'max') return Infinity;
  if (speed >= 0.01 && speed <= 1000) return speed;
  throw usageError(`--speed must be a number from 0.01 to 1000, or max; got "${text}"`);
}

/** @throws {CommandError} for options that exclude or need each other */
function checkCombination(given: PlayArgs, io: Io): void {
  const chosen = (['to', 'listen', 'list', 'json'] as const).filter((name) => given.has(name));
  const [one, other] = chosen.filter((name) => name !== 'json' || !given.has('list'));
  if (other !== undefined) throw usageError(`give either --${String(one)} or --${other}`);
  const format = given.text('to');
  if (format !== undefined) formatOf(format);
  if (given.has('output') && format === undefined) throw usageError('--output needs --to');
  const needless = SERVING_FLAGS.find((name) => name !== 'listen' && given.has(name) && !given.has('listen'));
  if (needless !== undefined) throw usageError(`--${needless} needs --listen`);
  if (format !== undefined && !given.has('output') && io.stdout.isTTY === true)
    throw usageError(
      'the bytes of a recording may contain commands for the terminal: give --output FILE, or use a pipe',
    );
}

import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Characters of a line that are shown. */
const MAX_LINE = 1000;

/** Lines shown in a second: a program may print its whole life long. */
const LINES_PER_SECOND = 100;

/** Bytes read in a second. Beyond it the program waits for its turn, as it would for a slow terminal. */
const BYTES_PER_SECOND = 1024 * 1024;

/**
 * Reads what a program prints, line by line, whatever it is: a pipe that nobody reads would stop the program, one that is
 * read as fast as it is filled would stop us. Returns what ends it.
 */
export function readOutput(stream: Readable, print: (line: string) => void): () => void {
  const decoder = new StringDecoder('utf8');
  let held = '';
  let isCut = false;
  let bytes = 0;
  let lines = 0;
  let leftOut = 0;
  let turn: NodeJS.Timeout | undefined;

  const show = (line: string) => {
    if (line === '') return;
    if (++lines <= LINES_PER_SECOND) print(line);
    else leftOut++;
  };
  const take = (text: string) => {
    const [first = '', ...rest] = text.split('\n');
    held = isCut ? held : (held + first).slice(0, MAX_LINE);
    for (const next of rest) {
      show(isCut ? '' : held);
      isCut = false;
      held = next.slice(0, MAX_LINE);
    }
    if (held.length < MAX_LINE || isCut) return;
    // Its end may never come.
    show(held);
    held = '';
    isCut = true;
  };
  const nextTurn = () => {
    turn = undefined;
    if (leftOut > 0) print(`(${leftOut} lines left out)`);
    [bytes, lines, leftOut] = [0, 0, 0];
    stream.resume();
  };
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    turn ??= setTimeout(nextTurn, 1000).unref();
    take(decoder.write(chunk));
    if (bytes > BYTES_PER_SECOND) stream.pause();
  };
  const onError = () => stop();
  const stop = () => {
    clearTimeout(turn);
    stream.off('data', onData);
    stream.off('end', onEnd);
    if (!isCut) show(held);
    if (leftOut > 0) print(`(${leftOut} lines left out)`);
    [held, leftOut] = ['', 0];
    stream.destroy();
  };
  const onEnd = () => stop();
  // Stays: an error behind our end of it has nobody else.
  stream.on('error', onError);
  stream.on('data', onData);
  stream.on('end', onEnd);
  return stop;
}

import type { Readable } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';

/** Limit of printed characters per line. */
const MAX_LINE = 1000;

/** Limit of printed lines per second, since a program may print without end. */
const LINES_PER_SECOND = 100;

/** Limit of bytes read per second. A faster program is slowed down, as by a slow terminal. */
const BYTES_PER_SECOND = 1024 * 1024;

/**
 * Reads the output of a program and passes each line to `print`. The pipe must be read, since a full pipe would stop the program,
 * and must be read at a limited rate, since a fast program would occupy this process. Returns a function that ends the reading.
 */
export function readOutput(stream: Readable, print: (line: string) => void): () => void {
  const decoder = new StringDecoder('utf8');
  let partial = '';
  let isCut = false;
  let bytes = 0;
  let lines = 0;
  let leftOut = 0;
  let timer: NodeJS.Timeout | undefined;

  const printLimited = (line: string) => {
    if (line === '') return;
    if (++lines <= LINES_PER_SECOND) print(line);
    else leftOut++;
  };
  const addText = (text: string) => {
    const [first = '', ...rest] = text.split('\n');
    partial = isCut ? partial : (partial + first).slice(0, MAX_LINE);
    for (const next of rest) {
      printLimited(isCut ? '' : partial);
      isCut = false;
      partial = next.slice(0, MAX_LINE);
    }
    if (partial.length < MAX_LINE || isCut) return;
    // The end of the line may never arrive.
    printLimited(partial);
    partial = '';
    isCut = true;
  };
  const onSecond = () => {
    timer = undefined;
    if (leftOut > 0) print(`(${leftOut} lines left out)`);
    [bytes, lines, leftOut] = [0, 0, 0];
    stream.resume();
  };
  const onData = (chunk: Buffer) => {
    bytes += chunk.length;
    timer ??= setTimeout(onSecond, 1000).unref();
    addText(decoder.write(chunk));
    if (bytes > BYTES_PER_SECOND) stream.pause();
  };
  const onError = () => stop();
  const stop = () => {
    clearTimeout(timer);
    stream.off('data', onData);
    stream.off('end', onEnd);
    if (!isCut) printLimited(partial);
    if (leftOut > 0) print(`(${leftOut} lines left out)`);
    [partial, leftOut] = ['', 0];
    stream.destroy();
  };
  const onEnd = () => stop();
  // stop() does not remove this listener: a late error of the stream still needs a listener.
  stream.on('error', onError);
  stream.on('data', onData);
  stream.on('end', onEnd);
  return stop;
}

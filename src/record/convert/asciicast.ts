import { StringDecoder } from 'node:string_decoder';
import type { Direction, RecordingHeader } from '../format/layout.js';
import type { Records } from './convert.js';

/**
 * asciicast v3: a line of JSON for the header, then `[seconds since the previous event, "o" or "i", text]`. Characters of UTF-8 that are
 * split between two records go into the event of the last byte; invalid bytes become U+FFFD.
 */
export async function* toAsciicast(
  { start }: RecordingHeader,
  records: Records,
  term: { readonly cols: number; readonly rows: number },
): AsyncGenerator<string, void, undefined> {
  yield line({ version: 3, term, timestamp: Math.floor(start / 1000) });
  const decoders = { out: new StringDecoder('utf8'), in: new StringDecoder('utf8') };
  let previous = 0;
  const event = (direction: Direction, ms: number, text: string): string => {
    const interval = (ms - previous) / 1000;
    previous = ms;
    return line([interval, direction === 'out' ? 'o' : 'i', text]);
  };
  for await (const { direction, ms, bytes } of records) {
    const text = decoders[direction].write(bytes);
    if (text !== '') yield event(direction, ms, text);
  }
  for (const direction of ['out', 'in'] as const) {
    const text = decoders[direction].end();
    if (text !== '') yield event(direction, previous, text);
  }
}

function line(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

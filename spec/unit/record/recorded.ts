import { writeFileSync } from 'node:fs';
import { RecordingEncoder } from '../../../src/record/format/encoder.js';
import { RECORD_HEAD, type Direction } from '../../../src/record/format/layout.js';

export type Step = readonly [Direction, number, Buffer | string];

/** Writes a recording of these steps. */
export function writeRecording(path: string, steps: readonly Step[]): void {
  writeFileSync(path, recordingOf(steps));
}

/** The bytes of a recording of these steps. */
export function recordingOf(steps: readonly Step[], start = 1_700_000_000_000): Buffer {
  const encoder = new RecordingEncoder();
  const tunnel = { id: '1', url: '/', address: '::1', backend: 'b' };
  const parts = [encoder.header({ start, direction: 'both', tunnel })];
  for (const [direction, ms, data] of steps) {
    const bytes = Buffer.from(data as string);
    const head = Buffer.alloc(RECORD_HEAD);
    encoder.head(head, 0, direction, ms, bytes.length);
    parts.push(head, bytes);
  }
  return Buffer.concat([...parts, encoder.finish(0)]);
}

import type { Records } from './convert.js';

/** The largest time of a block in milliseconds: 49 days. */
const MAX_TIME = 2 ** 32 - 1;

/** FBS 001.000: blocks of a length, bytes padded to a multiple of four, and milliseconds. Only the server's bytes. */
export async function* toFbs(records: Records): AsyncGenerator<Buffer, void, undefined> {
  yield Buffer.from('FBS 001.000\n');
  for await (const { direction, ms, bytes } of records) {
    if (direction !== 'out' || bytes.length === 0) continue;
    const padded = (bytes.length + 3) & ~3;
    const block = Buffer.alloc(4 + padded + 4);
    block.writeUInt32BE(bytes.length, 0);
    bytes.copy(block, 4);
    block.writeUInt32BE(Math.min(ms, MAX_TIME), 4 + padded);
    yield block;
  }
}

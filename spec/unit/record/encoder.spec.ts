import { expect, test } from 'vitest';
import { RecordingEncoder } from '../../../src/record/format/encoder.js';
import { INDEX_ENTRY, MAX_ENTRIES, MAX_RECORD, RECORD_HEAD } from '../../../src/record/format/layout.js';

/** The index of a recording with the given number of records of 64 KiB, one per millisecond. */
function indexOf(records: number) {
  const encoder = new RecordingEncoder();
  encoder.header({
    start: 0,
    direction: 'both',
    tunnel: { id: '1', url: '/', address: '::1', backend: 'a:1' },
  } as never);
  const first = encoder.size;
  const head = Buffer.alloc(RECORD_HEAD);
  for (let ms = 0; ms < records; ms++) encoder.head(head, 0, 'out', ms, MAX_RECORD);
  const promised = encoder.endSize;
  const end = encoder.finish(records);
  const at = RECORD_HEAD + 4 + end.readUInt32BE(RECORD_HEAD);
  const count = (RECORD_HEAD + end.readUInt32BE(8) - at) / INDEX_ENTRY;
  const entries = Array.from({ length: count }, (_, index) => ({
    ms: end.readUIntBE(at + index * INDEX_ENTRY, 6),
    offset: end.readUIntBE(at + index * INDEX_ENTRY + 6, 6),
  }));
  return { entries, first, promised, length: end.length };
}

test('the index of a long recording stays below its limit, and its entries name records at equal distances', () => {
  for (const records of [1, MAX_ENTRIES, MAX_ENTRIES + 1, 5 * MAX_ENTRIES]) {
    const { entries, first, promised, length } = indexOf(records);
    expect(entries.length).toBeGreaterThan(0);
    expect(entries.length).toBeLessThanOrEqual(MAX_ENTRIES);
    expect(length).toBeLessThanOrEqual(promised);
    // The offset of each millisecond's record is known.
    for (const { ms, offset } of entries) expect(offset).toBe(first + ms * (RECORD_HEAD + MAX_RECORD));
    const [one, next] = entries;
    const step = next && one ? next.ms - one.ms : 1;
    expect(records / step).toBeLessThanOrEqual(MAX_ENTRIES);
    expect(entries.at(-1)!.ms).toBeGreaterThan(records - 3 * step);
  }
});

import type { FileHandle } from 'node:fs/promises';
import { expect, onTestFinished, test, vi } from 'vitest';
import { DiskQueue } from '../../../src/record/file/disk-queue.js';

const BLOCK = 64 * 1024;

function fake(write: (bytes: Buffer) => Promise<number>): FileHandle {
  const handle = {
    write: async (bytes: Buffer, at: number, length: number) => ({
      bytesWritten: await write(bytes.subarray(at, at + length)),
    }),
    writev: async (parts: Buffer[]) => ({ bytesWritten: await write(Buffer.concat(parts)) }),
  };
  return handle as unknown as FileHandle;
}

test('short writes are continued, and the bytes stay in order', async () => {
  const written: Buffer[] = [];
  const budget = { used: 0 };
  const queue = new DiskQueue(budget, () => undefined);
  queue.start(
    fake((bytes) => {
      const part = Buffer.from(bytes.subarray(0, 1000));
      written.push(part);
      return Promise.resolve(part.length);
    }),
  );
  const all = Buffer.from(Array.from({ length: 20_000 }, (_, i) => i % 251));
  for (let at = 0; at < all.length; at += 3000) {
    queue.add(all.subarray(at, at + 3000));
    queue.flush();
  }
  await queue.untilIdle();
  expect(Buffer.concat(written).equals(all)).toBe(true);
  expect([queue.queued, budget.used]).toEqual([0, 0]);
});

/** A queue and the sizes of its writes. */
function measured(): { queue: DiskQueue; sizes: number[] } {
  const sizes: number[] = [];
  const queue = new DiskQueue({ used: 0 }, () => undefined);
  queue.start(
    fake((bytes) => {
      sizes.push(bytes.length);
      return Promise.resolve(bytes.length);
    }),
  );
  return { queue, sizes };
}

test('a few bytes are written together, and without a further call', async () => {
  const { queue, sizes } = measured();
  for (let count = 0; count < 10; count++) {
    queue.add(Buffer.alloc(100));
    queue.flushSoon();
    await Promise.resolve();
  }
  expect(sizes).toEqual([]);
  await vi.waitFor(() => expect(sizes).toEqual([1000]), { timeout: 10_000 });
  expect(queue.queued).toBe(0);
});

test('many bytes are written at once, and all that were queued meanwhile in one write', async () => {
  const { queue, sizes } = measured();
  queue.add(Buffer.alloc(65_536));
  queue.flushSoon();
  expect(sizes).toEqual([65_536]);
  for (let count = 0; count < 32; count++) {
    queue.add(Buffer.alloc(65_536));
    queue.flushSoon();
  }
  await queue.untilIdle();
  expect(sizes).toEqual([65_536, 32 * 65_536]);
});

/** Queues a few bytes during a write of many. */
function queueTwice(queue: DiskQueue): void {
  for (const size of [65_536, 10]) {
    queue.add(Buffer.alloc(size));
    queue.flushSoon();
  }
}

test('a few bytes that are queued during a write are written without a further call', async () => {
  const { queue, sizes } = measured();
  queueTwice(queue);
  await vi.waitFor(() => expect(sizes).toEqual([65_536, 10]), { timeout: 10_000 });
});

test('the end of a recording waits for no timer', async () => {
  vi.useFakeTimers();
  try {
    const { queue, sizes } = measured();
    queueTwice(queue);
    await queue.untilIdle();
    expect(sizes).toEqual([65_536, 10]);
  } finally {
    vi.useRealTimers();
  }
});

test('a failed write drops all bytes, frees the budget and is reported once', async () => {
  const failures: unknown[] = [];
  const budget = { used: 0 };
  const queue = new DiskQueue(budget, (error) => failures.push(error));
  queue.start(fake(() => Promise.reject(new Error('the disk is full'))));
  queue.add(Buffer.alloc(10_000));
  await queue.untilIdle();
  queue.add(Buffer.alloc(10));
  queue.flush();
  await queue.untilIdle();
  expect(failures).toHaveLength(1);
  expect([queue.isFailed, queue.queued, budget.used]).toEqual([true, 0, 0]);
});

test('a disk that accepts no bytes is a failure, not a loop', async () => {
  const failures: unknown[] = [];
  const queue = new DiskQueue({ used: 0 }, (error) => failures.push(error));
  queue.start(fake(() => Promise.resolve(0)));
  queue.add(Buffer.alloc(10));
  await queue.untilIdle();
  expect(failures).toMatchObject([{ message: 'the disk accepts no more bytes' }]);
});

test('after a burst most of the memory is freed, and none of it is used twice', async () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const allocate = vi.spyOn(Buffer, 'allocUnsafeSlow');
  onTestFinished(() => allocate.mockRestore());
  const seen: number[][] = [];
  const queue = new DiskQueue({ used: 0 }, () => undefined);
  queue.start({
    write: () => Promise.reject(new Error('no short writes')),
    writev: async (parts) => {
      // Bytes are added before the system reads the memory.
      for (let count = 0; count < 5; count++) await Promise.resolve();
      for (const part of parts) seen.push([part[0] ?? -1, part.at(-1) ?? -1]);
      return { bytesWritten: parts.reduce((sum, { length }) => sum + length, 0) };
    },
  });
  const burst = async (): Promise<number> => {
    allocate.mockClear();
    seen.length = 0;
    for (let count = 0; count < 300; count++) {
      queue.add(Buffer.alloc(BLOCK, count));
      if (count % 7 === 0) await Promise.resolve();
      if (count === 200) queue.flush();
    }
    const { length } = allocate.mock.calls.filter(([size]) => size === BLOCK);
    await queue.untilIdle();
    expect(seen).toEqual(Array.from({ length: 300 }, (_, count) => [count % 256, count % 256]));
    return length;
  };
  await burst();
  const again = await burst();
  await vi.advanceTimersByTimeAsync(11_000);
  const afterTrim = await burst();
  expect(again).toBeLessThan(50);
  expect(afterTrim).toBeGreaterThan(100);
});

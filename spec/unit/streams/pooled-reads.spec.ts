import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { PooledReads } from '../../../src/streams/pooled-reads.js';
import { onCleanup } from '../../support/cleanup.js';
import { listen, portOf } from '../../support/servers.js';
import { until } from '../../support/wait.js';

/** The number of bytes that fill the small buffer. */
const SMALL = 4000;
const FRONT = 10;

/** Both ends of a connection; PooledReads read one of them. */
async function pair(most = 1024 * 1024) {
  const server = createServer();
  await listen(server);
  onCleanup(() => server.close());
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  const reads = new PooledReads();
  const socket = connect({ port: portOf(server), host: '127.0.0.1', onread: reads.onread }).pause();
  reads.belongTo(socket);
  const [other] = await accepted;
  onCleanup(() => (socket.destroy(), other.destroy()));
  await once(socket, 'connect');
  const pieces: Buffer[] = [];
  let handle = (bytes: Buffer): void => {
    pieces.push(Buffer.from(bytes));
  };
  reads.start((bytes) => handle(bytes), most);
  const length = () => pieces.reduce((sum, { length }) => sum + length, 0);
  return { reads, socket, other, pieces, length, onPiece: (does: typeof handle) => (handle = does) };
}

const pattern = (length: number) => Buffer.from(Array.from({ length }, (_, at) => (at * 7) ^ (at >> 8)));

test.each([1, SMALL - 1, SMALL, SMALL + 1, 2 * SMALL, 65_536, 2_000_000])(
  '%d bytes and three more are delivered',
  async (size) => {
    const { socket, other, pieces, length } = await pair();
    socket.resume();
    const bytes = pattern(size);
    other.write(bytes);
    await until(() => length() === size);
    other.write('end');
    await until(() => length() === size + 3);
    expect(Buffer.concat(pieces).equals(Buffer.concat([bytes, Buffer.from('end')]))).toBe(true);
  },
);

test('the bytes of one wake-up are one chunk', async () => {
  const { socket, other, pieces } = await pair();
  other.write(pattern(60_000));
  await until(() => other.bytesWritten === 60_000 && other.writableLength === 0);
  socket.resume();
  await until(() => pieces.length > 0);
  expect(pieces[0]?.length).toBe(60_000);
});

test('no chunk exceeds the maximum', async () => {
  const { socket, other, pieces, length } = await pair(100_000);
  other.write(pattern(1_000_000));
  socket.resume();
  await until(() => length() === 1_000_000);
  expect(Math.max(...pieces.map((piece) => piece.length))).toBeLessThanOrEqual(100_000);
});

test('bytes that fill the small buffer are delivered before the end', async () => {
  const { socket, other, reads, pieces } = await pair();
  other.end(pattern(SMALL));
  socket.on('end', () => reads.flush()).resume();
  await once(socket, 'end');
  expect(pieces).toEqual([pattern(SMALL)]);
});

test('a chunk has room for a header in front', async () => {
  const { reads, socket, other, onPiece } = await pair();
  const framed: Buffer[] = [];
  onPiece((bytes) => {
    expect(reads.lends(bytes)).toBe(true);
    const whole = reads.extend(bytes, FRONT);
    whole.fill('h', 0, FRONT);
    framed.push(Buffer.from(whole));
  });
  socket.resume();
  other.write('first');
  await until(() => framed.length === 1);
  other.write(pattern(100_000));
  await until(() => Buffer.concat(framed).length >= 100_005 + FRONT * framed.length);
  expect(framed[0]?.toString()).toBe('hhhhhhhhhhfirst');
  expect(framed.every((one) => one.toString('latin1', 0, FRONT) === 'hhhhhhhhhh')).toBe(true);
  expect(Buffer.concat(framed.slice(1).map((one) => one.subarray(FRONT))).equals(pattern(100_000))).toBe(
    true,
  );
});

test('a kept buffer is reused only after its return', async () => {
  const one = await pair();
  const two = await pair();
  const bytes = pattern(1_500_000);
  const kept: { bytes: Buffer; free: () => void }[] = [];
  const keep = (end: typeof one) => (given: Buffer) => {
    kept.push({ bytes: given, free: end.reads.keep() });
  };
  one.onPiece(keep(one));
  two.onPiece(keep(two));
  one.other.write(bytes);
  two.other.write(bytes);
  one.socket.resume();
  two.socket.resume();
  const total = () => kept.reduce((sum, piece) => sum + piece.bytes.length, 0);
  await until(() => total() === 2 * bytes.length);
  const memories = kept.map((piece) => piece.bytes.buffer);
  expect(new Set(memories).size).toBe(memories.length);
  // A later read into the same buffer would have changed these bytes.
  const first = kept.slice(0, 1)[0]!;
  expect(bytes.subarray(0, first.bytes.length).equals(first.bytes)).toBe(true);

  const large = kept.filter((piece) => piece.bytes.buffer.byteLength > 8192);
  for (const { free } of large) free();
  const again: ArrayBufferLike[] = [];
  one.onPiece((given) => void again.push(given.buffer));
  one.other.write(bytes);
  await until(() => one.socket.bytesRead === 2 * bytes.length && again.length > 0);
  expect(memories.includes(again.find((memory) => memory.byteLength > 8192)!)).toBe(true);
});

test("a buffer handed on at the connection's end returns to the pool once, and not while it is kept", async () => {
  const one = await pair();
  const frees: (() => void)[] = [];
  const kept: ArrayBufferLike[] = [];
  one.onPiece((bytes) => {
    if (bytes.buffer.byteLength < 8192) return;
    kept.push(bytes.buffer);
    // A write that ends the reads in the same event-loop turn.
    one.reads.end();
    frees.push(one.reads.keep());
  });
  one.other.write(pattern(100_000));
  one.socket.resume();
  await until(() => kept.length > 0);
  one.socket.destroy();

  const taken = new Set<ArrayBufferLike>();
  const others = await Promise.all(Array.from({ length: 10 }, () => pair()));
  const take = async (end: (typeof others)[number]) => {
    let memory: ArrayBufferLike | undefined;
    end.onPiece((bytes) => {
      if (bytes.buffer.byteLength < 8192) return;
      end.reads.keep();
      memory = bytes.buffer;
    });
    end.other.write(pattern(100_000));
    end.socket.resume();
    await until(() => memory !== undefined);
    return memory!;
  };
  for (const end of others.slice(0, 9)) taken.add(await take(end));
  expect(taken.has(kept[0]!)).toBe(false);
  expect(taken.size).toBe(9);
  frees[0]!();
  // Compared with ===, because a failed toBe would print the whole buffer.
  expect((await take(others[9]!)) === kept[0]).toBe(true);
});

test('the pool keeps a few buffers, however many return', async () => {
  const one = await pair();
  const frees: (() => void)[] = [];
  const isLarge = (bytes: Buffer) => bytes.buffer.byteLength > 8192;
  let memories: ArrayBufferLike[] = [];
  one.onPiece((bytes) => {
    if (isLarge(bytes)) memories.push(bytes.buffer);
    if (isLarge(bytes)) frees.push(one.reads.keep());
  });
  const fill = async (count: number) => {
    memories = [];
    one.socket.resume();
    while (memories.length < count) {
      const before = memories.length;
      one.other.write(pattern(20_000));
      await until(() => memories.length > before);
    }
  };
  await fill(20);
  const first = new Set(memories);
  for (const free of frees.splice(0)) free();
  await fill(20);
  const again = memories.filter((memory) => first.has(memory));
  expect(again.length).toBeGreaterThan(0);
  expect(again.length).toBeLessThanOrEqual(8);
});

test('two connections read few bytes into the same memory, which cannot be kept', async () => {
  const [one, two] = [await pair(), await pair()];
  const memories = new Set<ArrayBufferLike>();
  const texts: string[] = [];
  for (const { reads, socket, other, onPiece } of [one, two]) {
    onPiece((bytes) => {
      expect(reads.isShared).toBe(true);
      expect(() => reads.keep()).toThrow('must be copied');
      memories.add(bytes.buffer);
      texts.push(bytes.toString());
    });
    socket.resume();
    other.write('few');
    await until(() => texts.length > 0);
    expect(reads.isShared).toBe(false);
  }
  await until(() => texts.length === 2);
  expect(texts).toEqual(['few', 'few']);
  expect(memories.size).toBe(1);
});

test('bytes that fill the shared buffer are not changed by the reads of another connection', () => {
  const [one, two] = [new PooledReads(), new PooledReads()];
  const pieces: Buffer[] = [];
  one.start((bytes) => pieces.push(Buffer.from(bytes)), 1024 * 1024);
  fill(one, SMALL);
  fill(two, 100, 8);
  one.flush();
  expect(pieces.map((piece) => piece.equals(Buffer.alloc(SMALL, 7)))).toEqual([true]);
  [one, two].forEach((reads) => reads.end());
});

/** Fills the reads as Node would, without a socket, and returns the memory of the next read. */
function fill(reads: PooledReads, length: number, value = 7): ArrayBufferLike {
  const into = (reads.onread.buffer as () => Uint8Array)();
  into.fill(value, 0, length);
  reads.onread.callback(length, into);
  return (reads.onread.buffer as () => Uint8Array)().buffer;
}

function startReads() {
  const reads = new PooledReads();
  const pieces: number[] = [];
  reads.start((bytes) => void pieces.push(bytes.length), 1024 * 1024);
  return { reads, pieces };
}

test('at the end queued bytes are delivered, and the buffer returns to the pool', () => {
  const { reads: one, pieces } = startReads();
  const armed = fill(one, SMALL);
  expect(pieces).toEqual([]);
  one.end();
  expect(pieces).toEqual([SMALL]);
  const { reads: two } = startReads();
  expect(fill(two, SMALL) === armed).toBe(true);
  two.end();
});

test('bytes that fill the small buffer are delivered once, whoever asks for them', async () => {
  const { reads, pieces } = startReads();
  fill(reads, SMALL);
  reads.flush();
  await new Promise((resolve) => setImmediate(resolve));
  reads.end();
  expect(pieces).toEqual([SMALL]);
});

test('a buffer that is filled repeatedly returns to the pool once, however often the end is reported', () => {
  const { reads: one, pieces } = startReads();
  const armed = fill(one, SMALL);
  expect(fill(one, armed.byteLength - FRONT - SMALL) === armed).toBe(true);
  expect(pieces).toEqual([armed.byteLength - FRONT]);
  one.end();
  one.end();
  const [two, three] = [startReads().reads, startReads().reads];
  expect(fill(two, SMALL) === armed).toBe(true);
  expect(fill(three, SMALL) === armed).toBe(false);
});

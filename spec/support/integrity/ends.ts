import type { Duplex } from 'node:stream';
import type { Random } from '../random.js';
import { BLOCK, StreamCheck, StreamSource, tunnelOf, type StreamName } from './stream.js';
import { deferred } from '../wait.js';

/** The amount of data that a tunnel carries in each direction. */
export interface Load {
  readonly seed: number;
  readonly up: number;
  readonly down: number;
  /** The size of the largest write or frame. */
  readonly largest: number;
  readonly text?: boolean;
}

const MASKS = [0, 0x0a0b0c0d, 0xffffffff];

/** Writes `length` bytes in pieces of random sizes; waits while the stream is full, and sometimes pauses at random. */
export async function writeAll(
  to: Duplex,
  source: StreamSource,
  length: number,
  random: Random,
  write: (bytes: Buffer) => void,
  largest: number,
): Promise<void> {
  while (source.position < length && !to.destroyed) {
    const size = Math.min(1 + random.size(largest), length - source.position);
    write(source.next(size));
    if (to.writableNeedDrain) await drained(to);
    else if (random.oneIn(8)) await pause(random);
  }
}

function drained(to: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      to.off('drain', settle).off('close', settle);
      resolve();
    };
    to.on('drain', settle).on('close', settle);
  });
}

/** Waits for an event-loop turn, or some milliseconds. */
function pause(random: Random): Promise<void> {
  return new Promise((resolve) => {
    if (random.oneIn(4)) setTimeout(resolve, random.between(1, 6));
    else setImmediate(resolve);
  });
}

/** Reads with pauses, so that the buffers of both sides fill up. */
export function readSlowly(from: Duplex, random: Random, read: (chunk: Buffer) => void): void {
  let left = random.between(4, 16);
  from.on('data', (chunk: Buffer) => {
    read(chunk);
    if (--left > 0) return;
    left = random.between(4, 16);
    from.pause();
    void pause(random).then(() => from.resume());
  });
}

/** A client's frame with the payload and a random mask. */
export function maskedFrame(random: Random, opcode: number, payload: Buffer, final = true): Buffer {
  const { length } = payload;
  const extended = length < 126 ? 0 : length < 65_536 ? 2 : 8;
  const frame = Buffer.allocUnsafe(6 + extended + length);
  frame[0] = (final ? 0x80 : 0) | opcode;
  frame[1] = 0x80 | (extended === 0 ? length : extended === 2 ? 126 : 127);
  if (extended === 2) frame.writeUInt16BE(length, 2);
  else if (extended === 8) frame.writeBigUInt64BE(BigInt(length), 2);
  const start = 6 + extended;
  const mask = random.oneIn(4) ? random.pick(MASKS) : random.word();
  frame.writeUInt32BE(mask, start - 4);
  for (let at = 0; at < length; at++)
    frame[start + at] = payload[at]! ^ ((mask >>> (24 - (at & 3) * 8)) & 0xff);
  return frame;
}

/** Parses a server's frames, however the bytes are cut: `payload` gets payload, `control` gets whole control frames. */
export class ServerFrames {
  #header = Buffer.alloc(0);
  #left = 0;
  #opcode = 0;
  #control: Buffer[] = [];

  constructor(
    readonly payload: (bytes: Buffer) => void,
    readonly control: (opcode: number, payload: Buffer) => void,
  ) {}

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length;) {
      if (this.#left === 0) this.#readHeader(chunk[at++]!);
      else at += this.#readPayload(chunk.subarray(at, at + this.#left));
    }
  }

  #readHeader(byte: number): void {
    const header = Buffer.concat([this.#header, Buffer.from([byte])]);
    this.#header = header;
    const short = header[1];
    if (short === undefined || header.length < 2 + (short === 127 ? 8 : short === 126 ? 2 : 0)) return;
    if (short > 127) throw new Error('a server masks no frame');
    this.#opcode = header[0]! & 0x0f;
    this.#left =
      short === 127 ? Number(header.readBigUInt64BE(2)) : short === 126 ? header.readUInt16BE(2) : short;
    this.#header = Buffer.alloc(0);
    if (this.#left === 0) this.#whole();
  }

  #readPayload(bytes: Buffer): number {
    this.#left -= bytes.length;
    if (this.#opcode < 8) this.payload(bytes);
    else this.#control.push(bytes);
    if (this.#left === 0) this.#whole();
    return bytes.length;
  }

  #whole(): void {
    if (this.#opcode < 8) return;
    const payload = Buffer.concat(this.#control);
    this.#control = [];
    this.control(this.#opcode, payload);
  }
}

/** The code in the payload of a Close. */
const codeOf = (payload: Buffer) => (payload.length < 2 ? 1005 : payload.readUInt16BE());

/**
 * The client's end of a tunnel after the 101: sends the client's stream in frames of random sizes, some fragmented and with PINGs
 * in between, and checks the received bytes. Resolves to the server's Close; rejects at a wrong byte.
 */
export async function runClient(
  socket: Duplex,
  tunnel: number,
  load: Load,
  random: Random,
  closesFirst: boolean,
): Promise<number> {
  const { seed, text = false } = load;
  const source = new StreamSource({ seed, tunnel, direction: 'up' });
  const check = new StreamCheck({ seed, tunnel, direction: 'down', text });
  const { promise: allCame, resolve: came } = deferred<unknown>();
  const { promise: closed, resolve: close } = deferred<number>();
  let pongs = 0;
  const frames = new ServerFrames(
    (bytes) => {
      check.push(bytes);
      if (check.position >= load.down) came(undefined);
    },
    (opcode, payload) => {
      if (opcode === 10) pongs++;
      else if (opcode === 8) close(codeOf(payload));
    },
  );
  readSlowly(socket, random, (chunk) => {
    try {
      frames.push(chunk);
    } catch (error) {
      came(error);
      socket.destroy();
    }
  });
  socket.on('close', () => {
    came(new Error(`tunnel ${tunnel}: lost after ${check.position} of ${load.down} bytes`));
    close(1006);
  });
  if (load.down === 0) came(undefined);

  let fragmented = false;
  let pings = 0;
  const write = (bytes: Buffer) => {
    const final = !random.oneIn(4);
    const parts = [maskedFrame(random, fragmented ? 0 : 2, bytes, final)];
    fragmented = !final;
    if (random.oneIn(20)) {
      pings++;
      parts.push(maskedFrame(random, 9, random.bytes(random.below(126))));
    }
    socket.write(Buffer.concat(parts));
  };
  await writeAll(socket, source, load.up, random, write, load.largest);
  const wrong = await allCame;
  if (wrong !== undefined) throw wrong as Error;
  if (!closesFirst) await closed;
  socket.write(maskedFrame(random, 8, Buffer.from([0x03, 0xe8])));
  const code = await closed;
  socket.end();
  if (check.position !== load.down) throw new Error(`tunnel ${tunnel}: more came than was sent`);
  if (pongs > pings) throw new Error(`tunnel ${tunnel}: ${pongs} PONGs for ${pings} PINGs`);
  return code;
}

/** The backend's end of a tunnel: reads the tunnel's number from the first block, and sends the backend's stream of that tunnel. */
export async function runBackend(
  socket: Duplex,
  load: Load,
  random: Random,
  endsFirst: (tunnel: number) => boolean,
): Promise<number> {
  const { seed, text = false } = load;
  const { promise: told, resolve: tell } = deferred<number>();
  const { promise: over, resolve: settle } = deferred<unknown>();
  let start = Buffer.alloc(0);
  let check: StreamCheck | undefined;
  const read = (chunk: Buffer) => {
    let bytes = chunk;
    if (!check) {
      start = Buffer.concat([start, chunk]);
      if (start.length < BLOCK) return;
      const tunnel = tunnelOf(start);
      if (tunnel === undefined) throw new Error(`no stream begins so: ${start.toString('hex', 0, 32)}`);
      check = new StreamCheck({ seed, tunnel, direction: 'up' } satisfies StreamName);
      bytes = start;
      tell(tunnel);
    }
    check.push(bytes);
  };
  readSlowly(socket, random, (chunk) => {
    try {
      read(chunk);
    } catch (error) {
      settle(error);
      socket.destroy();
    }
  });
  socket.on('end', () => settle(undefined));
  socket.on('close', () => settle(new Error('a backend lost its connection')));
  const tunnel = await Promise.race([told, over.then((error) => Promise.reject(error as Error))]);
  const source = new StreamSource({ seed, tunnel, direction: 'down', text });
  await writeAll(socket, source, load.down, random, (bytes) => socket.write(bytes), load.largest);
  if (endsFirst(tunnel)) socket.end();
  const wrong = await over;
  if (wrong !== undefined) throw wrong as Error;
  socket.end();
  if (check?.position !== load.up)
    throw new Error(`tunnel ${tunnel}: ${check?.position} of ${load.up} bytes up`);
  return tunnel;
}

import { FrameDecoder } from '../../src/frames/decoder.js';
import type { Ending } from '../../src/streams/close-causes.js';

/** The result of decoding a stream. */
export interface Decoded {
  readonly payload: Buffer;
  /** Control frames in their order, as `ping abc`, `pong`, `close 1000 bye`. */
  readonly events: string[];
  readonly failure: Ending | undefined;
  readonly done: boolean;
}

/** Decodes the chunks in order. Each chunk is copied, since the decoder overwrites its input. */
export function decodeAll(...chunks: Uint8Array[]): Decoded {
  return decodeFrom('client', chunks);
}

/** Decodes frames of a client, or of a server. */
export function decodeFrom(from: 'client' | 'server', chunks: readonly Uint8Array[]): Decoded {
  // Read only at the end, to check that a payload does not change later: the receiver may keep it.
  const events: (() => string)[] = [];
  const decoder = new FrameDecoder(
    {
      ping: (payload) => events.push(() => `ping ${payload.toString('latin1')}`),
      pong: () => events.push(() => 'pong'),
      close: (code, reason) => events.push(() => `close ${code} ${reason}`),
    },
    from,
  );
  const parts = chunks.map((chunk) => decoder.decode(Buffer.from(chunk)));
  return {
    payload: Buffer.concat(parts),
    events: events.map((event) => event()),
    failure: decoder.failure,
    done: decoder.done,
  };
}

/** Cuts bytes after each of the given positions. */
export function cutAt(bytes: Buffer, ...positions: number[]): Buffer[] {
  const edges = [0, ...positions, bytes.length];
  return edges.slice(1).map((end, i) => bytes.subarray(edges[i], end));
}

/** Cuts bytes into pieces of the given sizes, repeated; into larger pieces if the number of pieces would exceed `most`. */
export function cutInto(bytes: Buffer, sizes: readonly number[], most = 5000): Buffer[] {
  const least = Math.ceil(bytes.length / most);
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = Math.max(least, sizes[i % sizes.length] ?? 0);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

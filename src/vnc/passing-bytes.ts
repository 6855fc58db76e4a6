import { Buffer } from 'node:buffer';

/** Shorter runs of bytes are moved faster by a loop than by a call of `copyWithin`. */
const SHORT_RUN = 32;

/** Joins the runs of a chunk that pass by moving them inside the chunk. Nothing is moved if all bytes pass. */
export class PassingBytes {
  /** Bytes of earlier chunks that pass before the bytes of the chunk. */
  front: Buffer | undefined;
  #start = 0;
  #end = 0;

  /** Adds the run from `from` to `to`. The runs of a chunk are added in their order. */
  add(chunk: Buffer, from: number, to: number): void {
    if (from === to) return;
    if (this.#end === this.#start) this.#start = this.#end = from;
    if (this.#end < from) move(chunk, this.#end, from, to);
    this.#end += to - from;
  }

  /** All bytes that pass; the next chunk may begin. */
  take(chunk: Buffer): Buffer {
    const isWhole = this.#end - this.#start === chunk.length;
    const bytes = isWhole ? chunk : chunk.subarray(this.#start, this.#end);
    const front = this.front;
    this.#start = this.#end = 0;
    if (!front) return bytes;
    this.front = undefined;
    return Buffer.concat([front, bytes]);
  }
}

function move(chunk: Buffer, target: number, from: number, to: number): void {
  if (to - from >= SHORT_RUN) chunk.copyWithin(target, from, to);
  else for (let at = from, end = target; at < to; at++, end++) chunk[end] = chunk[at] ?? 0;
}

import { SIMD_MODULE } from './simd-module.js';

/** Positions of input and output in the module's memory. */
const INPUT = 65_536;
const OUTPUT = 196_608;
/** Limit of bytes per call. */
const SPAN = 65_536;

interface Exports {
  readonly memory: { readonly buffer: ArrayBuffer };
  unmask(at: number, length: number, key: number): void;
  frames(at: number, end: number, out: number): number;
}

/** The types of `node` do not include WebAssembly. */
interface WebAssemblyOfNode {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object) => { readonly exports: unknown };
}

/**
 * The decoder's hot loops as WebAssembly: three to ten times as fast as JavaScript. Bytes are copied in and out within one call,
 * so that no byte of a connection stays in the module.
 */
export class Simd {
  readonly #exports: Exports;
  readonly #memory: Uint8Array;
  readonly #answer: Int32Array;

  /** The end of the payloads joined by the last `frames`. */
  out = 0;

  constructor(exports: Exports) {
    this.#exports = exports;
    this.#memory = new Uint8Array(exports.memory.buffer);
    this.#answer = new Int32Array(exports.memory.buffer, 0, 1);
  }

  /** Moves `length` bytes within `bytes` from `from` to `to`, and unmasks the bytes on the way. `to` is not greater than `from`. */
  unmask(bytes: Uint8Array, to: number, from: number, length: number, key: number): void {
    // A span is a multiple of the key's length.
    for (let done = 0; done < length; done += SPAN) {
      const size = Math.min(SPAN, length - done);
      this.#memory.set(bytes.subarray(from + done, from + done + size), INPUT);
      this.#exports.unmask(INPUT, size, key);
      bytes.set(this.#memory.subarray(INPUT, INPUT + size), to + done);
    }
  }

  /**
   * Joins the payloads of whole, masked, final binary frames below 64 KiB: reads from `at`, writes to `to`; `to` is not greater
   * than `at`. Returns the position of the first other frame, or of the first incomplete frame.
   */
  frames(bytes: Uint8Array, at: number, to: number): number {
    const size = Math.min(SPAN, bytes.length - at);
    this.#memory.set(bytes.subarray(at, at + size), INPUT);
    const stopped = this.#exports.frames(INPUT, INPUT + size, OUTPUT);
    const end = this.#answer[0] ?? OUTPUT;
    bytes.set(this.#memory.subarray(OUTPUT, end), to);
    this.out = to + end - OUTPUT;
    return at + stopped - INPUT;
  }
}

function load(): Simd | undefined {
  try {
    const { Module, Instance } = (globalThis as unknown as { WebAssembly: WebAssemblyOfNode }).WebAssembly;
    const instance = new Instance(new Module(Buffer.from(SIMD_MODULE, 'base64')));
    return new Simd(instance.exports as Exports);
  } catch {
    // `node --jitless`, or a machine without vector instructions: the loops in JavaScript do the same.
    return undefined;
  }
}

export const simd = load();

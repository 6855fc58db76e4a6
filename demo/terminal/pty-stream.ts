import { Duplex } from 'node:stream';
import { StringDecoder } from 'node:string_decoder';
import type { IPty } from '@lydell/node-pty';

/** Milliseconds after SIGHUP until a program that ignores SIGHUP is killed. */
const PATIENCE = 3000;

/** The most columns and rows of a page: a wrong size must not make the shell's programs draw a huge screen. */
const MAX_SIZE = 1000;

/** A size of a terminal, in characters. */
export interface Size {
  readonly cols: number;
  readonly rows: number;
}

/** A pseudoterminal as a backend: bytes both ways, and a size. The stream's end hangs up. */
export class PtyStream extends Duplex {
  readonly #decoder = new StringDecoder('utf8');
  #hasExited = false;
  /** Does the page want no more for now? */
  #isPaused = false;

  constructor(private readonly pty: IPty) {
    // The default would end the stream with the client's half, before the last output.
    super({ allowHalfOpen: true });
    // With `encoding: null`, the data is a Buffer; the types say text.
    pty.onData((data: string | Buffer) => {
      if (!this.push(data)) pty.pause();
    });
    pty.onExit(() => {
      this.#hasExited = true;
      this.push(null);
      this.end();
    });
  }

  /**
   * A message of the page: a new size `{"cols":80,"rows":24}`, or `{"paused":true}` until the page has drawn what it has. A browser's
   * WebSocket can't slow the server down by itself. Throws for any other message.
   */
  control(text: string): void {
    const message = JSON.parse(text) as { paused?: unknown } | null;
    if (isSize(message)) this.resize(message);
    else if (typeof message?.paused === 'boolean') this.#pause(message.paused);
    else throw new Error('a terminal expects {"cols":80,"rows":24} or {"paused":true}');
  }

  resize({ cols, rows }: Size): void {
    // The page may send a size before it hears of the shell's end.
    if (this.#hasExited || this.destroyed) return;
    try {
      this.pty.resize(cols, rows);
    } catch {
      // node-pty closes the terminal a little before it tells of the shell's end, which must stay the end that the page sees.
    }
  }

  override _read(): void {
    if (!this.#hasExited && !this.#isPaused) this.pty.resume();
  }

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    // A character may be cut between two chunks.
    if (!this.#hasExited) this.pty.write(this.#decoder.write(bytes));
    done();
  }

  /** The page has closed its WebSocket: hang up, as a closed window of a terminal does. */
  override _final(done: () => void): void {
    this.#hangUp();
    done();
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#hangUp();
    done(error);
  }

  #pause(yes: boolean): void {
    this.#isPaused = yes;
    if (yes) this.pty.pause();
    else this.pty.resume();
  }

  #hangUp(): void {
    if (this.#hasExited) return;
    // A paused terminal would not notice the exit.
    this.pty.resume();
    this.pty.kill('SIGHUP');
    const timer = setTimeout(() => this.pty.kill('SIGKILL'), PATIENCE);
    this.pty.onExit(() => clearTimeout(timer));
  }
}

/** Is it a size of a terminal? */
export function isSize(value: unknown): value is Size {
  const { cols, rows } = (value ?? {}) as Record<string, unknown>;
  return [cols, rows].every((side) => Number.isInteger(side) && Number(side) > 0 && Number(side) <= MAX_SIZE);
}

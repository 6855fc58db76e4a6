import { EventEmitter } from 'node:events';
import { PassThrough } from 'node:stream';
import type { Io, Signal } from '../../src/command/process/io.js';

/** Replaces the process of a command: output is kept, and the test sends signals. */
export class FakeIo implements Io {
  readonly stdin = new PassThrough();
  readonly stdout = new PassThrough();
  readonly stderr: PassThrough & { isTTY?: boolean; columns?: number } = new PassThrough();
  readonly environment: Record<string, string> = {};
  readonly #signals = new EventEmitter();
  #said = '';
  #written = '';
  terminalIsGone = false;

  constructor() {
    this.stderr.on('data', (chunk: Buffer) => (this.#said += chunk.toString()));
    this.stdout.on('data', (chunk: Buffer) => (this.#written += chunk.toString()));
  }

  /** The output on stderr. */
  get said(): string {
    return this.#said;
  }

  /** The output on stdout. */
  get written(): string {
    return this.#written;
  }

  onSignal(signals: readonly Signal[], listener: (signal: Signal) => void): () => void {
    for (const signal of signals) this.#signals.on(signal, listener);
    return () => {
      for (const signal of signals) this.#signals.off(signal, listener);
    };
  }

  isTerminalGone(): boolean {
    return this.terminalIsGone;
  }

  outlivesTerminal(): boolean {
    return false;
  }

  isOnTerminal(): boolean {
    return false;
  }

  send(signal: Signal): void {
    this.#signals.emit(signal, signal);
  }

  listeners(): number {
    return this.#signals.eventNames().length;
  }
}

import { EventEmitter } from 'node:events';
import { Readable, Writable } from 'node:stream';
import { isOnTerminal } from '../../process/terminal.js';
import type { Io, Signal } from '../../process/io.js';

/** A worker's `Io`: signals come from the supervisor, since a terminal and systemd signal every process of the group. */
export class WorkerIo implements Io {
  readonly stdin = Readable.from([]);
  readonly stdout = process.stdout;
  /** Without `isTTY`: only the supervisor draws on the terminal. */
  readonly stderr = new Writable({
    write: (chunk: Buffer, _encoding, done) => void process.stderr.write(chunk, () => done()),
  });
  readonly environment = process.env;
  readonly isOnTerminal = isOnTerminal;
  readonly #signals = new EventEmitter();

  onSignal(signals: readonly Signal[], listener: (signal: Signal) => void): () => void {
    for (const signal of signals) this.#signals.on(signal, listener);
    return () => {
      for (const signal of signals) this.#signals.off(signal, listener);
    };
  }

  raise(signal: Signal): void {
    this.#signals.emit(signal, signal);
  }

  isTerminalGone(): boolean {
    return false;
  }

  outlivesTerminal(): boolean {
    return true;
  }
}

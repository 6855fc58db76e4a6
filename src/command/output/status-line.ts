import type { Io } from '../process/io.js';
import { bytes, tunnels } from './units.js';

/** The open tunnels, and all bytes since the start. */
export interface TunnelTotals {
  readonly open: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

/** Time between two updates, in ms. */
const PERIOD = 1000;

/** Bytes queued for stderr, beyond which lines are dropped. */
const MAX_QUEUED = 1024 * 1024;

/** One line at the bottom of a terminal, updated every second; printed lines scroll above it. */
export class StatusLine {
  readonly #io: Io;
  readonly #sample: () => TunnelTotals;
  #timer: NodeJS.Timeout | undefined;
  #last: { readonly at: number; readonly sample: TunnelTotals } | undefined;
  #shown = '';

  constructor(io: Io, sample: () => TunnelTotals) {
    this.#io = io;
    this.#sample = sample;
  }

  /** Shows the line if stderr is a terminal that can erase a line. */
  begin(): void {
    if (this.#io.stderr.isTTY !== true || this.#io.environment.TERM === 'dumb') return;
    this.#timer = setInterval(() => this.#draw(), PERIOD);
    this.#draw();
  }

  print(line: string): void {
    // A slow reader (`| less`) loses lines, since queued lines must not fill the process's memory.
    if (this.#io.stderr.writableLength > MAX_QUEUED) return;
    this.beside(() => this.#io.stderr.write(`${line}\n`));
  }

  /** Erases the line, calls `write`, and shows the line again below the new text. */
  beside(write: () => boolean): boolean {
    this.#erase();
    const hasRoom = write();
    if (this.#timer) this.#io.stderr.write(this.#shown);
    return hasRoom;
  }

  end(): void {
    clearInterval(this.#timer);
    this.#erase();
    this.#shown = '';
  }

  #draw(): void {
    const at = performance.now();
    const sample = this.#sample();
    const seconds = this.#last ? (at - this.#last.at) / 1000 : 1;
    const { bytesIn, bytesOut } = this.#last?.sample ?? sample;
    this.#last = { at, sample };
    const up = bytes((sample.bytesIn - bytesIn) / seconds);
    const down = bytes((sample.bytesOut - bytesOut) / seconds);
    // A line wider than the terminal would wrap, and could not be erased.
    const line = `${tunnels(sample.open)}  in ${up}/s  out ${down}/s`.slice(
      0,
      (this.#io.stderr.columns ?? 80) - 1,
    );
    if (line === this.#shown) return;
    this.#erase();
    this.#shown = line;
    this.#io.stderr.write(line);
  }

  #erase(): void {
    if (this.#shown !== '') this.#io.stderr.write('\r\u001b[K');
  }
}

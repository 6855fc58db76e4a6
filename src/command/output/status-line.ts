import type { Io } from '../process/io.js';
import { bytes, tunnels } from './units.js';

/** What the line shows, counted from the start. */
export interface TunnelTotals {
  readonly open: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const PERIOD = 1000;

/** In bytes. */
const MAX_QUEUED = 1024 * 1024;

/** One line at the bottom of a terminal, drawn anew each second; lines that are printed scroll above it. */
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

  /** On a terminal that can take a line back. */
  begin(): void {
    if (this.#io.stderr.isTTY !== true || this.#io.environment.TERM === 'dumb') return;
    this.#timer = setInterval(() => this.#draw(), PERIOD);
    this.#draw();
  }

  print(line: string): void {
    // Who reads too slowly (`| less`) loses lines, in place of this process's memory.
    if (this.#io.stderr.writableLength > MAX_QUEUED) return;
    this.beside(() => this.#io.stderr.write(`${line}\n`));
  }

  /** Writes on the same terminal; the status line is below it again afterwards. */
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
    // One that is wider than the terminal would wrap, and then stay.
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

import type { Ending } from './close-causes.js';
import type { FilteredTunnel, PayloadFilter } from './payload-filter.js';

const NOTHING = Buffer.alloc(0);

/** A filter in its place between a relay and the client: starts the filter before the first byte, and passes no byte after the filter has ended the tunnel. */
export class FilterSeat implements FilteredTunnel {
  readonly #filter: PayloadFilter;
  readonly #tunnel: FilteredTunnel;
  #isStarted = false;
  #hasEnded = false;

  constructor(filter: PayloadFilter, tunnel: FilteredTunnel) {
    this.#filter = filter;
    this.#tunnel = tunnel;
  }

  /** Does nothing after the first call: bytes that the client sent with its request come before the relay starts. */
  start(): void {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#filter.start(this);
  }

  /** The bytes that pass. */
  pass(direction: 'in' | 'out', bytes: Buffer): Buffer {
    this.start();
    if (this.#hasEnded) return NOTHING;
    const filter = this.#filter;
    if (direction === 'in' ? filter.isInOpen : filter.isOutOpen) return bytes;
    return this.#passing(filter[direction](bytes));
  }

  /** The call that returned the bytes may have ended the tunnel. */
  #passing(bytes: Buffer): Buffer {
    return this.#hasEnded ? NOTHING : bytes;
  }

  /** Do all bytes pass unchanged from now on? The filter is then not called any more. */
  get isOpen(): boolean {
    return !this.#hasEnded && this.#filter.isInOpen && this.#filter.isOutOpen;
  }

  get lastInput(): number | undefined {
    return this.#filter.lastInput;
  }

  sendToClient(bytes: Buffer): void {
    if (!this.#hasEnded) this.#tunnel.sendToClient(bytes);
  }

  end(ending: Ending): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#tunnel.end(ending);
  }
}

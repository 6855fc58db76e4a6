import { cut } from '../../../helpers/one-line.js';
import { within } from '../../../helpers/within.js';
import { LocalState } from '../../../shared/local-state.js';
import type { SharedInfo, Tunnel } from '../../../types.js';
import { MAX_FIELD_LENGTH } from '../log/tunnel-events.js';
import type { StateLink } from './state-link.js';

/** Seconds to report the end of this process to the store. Without the report, its slots are free after `ttl`. */
const LEAVE_TIME = 0.5;

interface ProcessStateOutputs {
  readonly message: (line: string) => void;
  readonly write: (event: string, info: object) => void;
  /** The store answers, or no longer answers. */
  readonly changed: (isUp: boolean) => void;
}

/** The state of this process, which outlives reloads, and the connection to other processes with the same state. */
export class ProcessState {
  readonly #outputs: ProcessStateOutputs;
  #link: StateLink | undefined;
  #state: LocalState | undefined;
  #isUp: boolean | undefined;

  constructor(outputs: ProcessStateOutputs) {
    this.#outputs = outputs;
  }

  /** To be called before the first use of the state. */
  share(link: StateLink): void {
    this.#link = link;
  }

  /** Begins to connect at the first use, so that the first tunnel object reports a failure. */
  get state(): LocalState {
    const shared = this.#link;
    this.#state ??= new LocalState({ isKept: false, ...(shared && { shared }) });
    return this.#state;
  }

  /** False while new tunnels are refused because the store is not reached. */
  get isReady(): boolean {
    return this.#link?.settings.whenDown !== 'refuse' || this.#isUp === true;
  }

  /** Reports the changes that a tunnel object announces. */
  report(tunnel: Tunnel): void {
    tunnel.on('shared', (info) => this.#changed(info));
  }

  async close(): Promise<void> {
    if (this.#state) await within(LEAVE_TIME, this.#state.close());
    this.#link?.close();
  }

  #changed({ up, reason: given }: SharedInfo): void {
    const link = this.#link;
    const isFirst = this.#isUp === undefined;
    this.#isUp = up;
    this.#outputs.changed(up);
    if (!link || (isFirst && up && link.isOwn)) return;
    const { name, settings, failure } = link;
    const reason = up ? given : cut(failure() ?? given, MAX_FIELD_LENGTH.reason ?? Infinity);
    this.#outputs.write('shared', { up, reason });
    const effect =
      settings.whenDown === 'refuse'
        ? 'new tunnels get 503 meanwhile'
        : 'each process counts only its own tunnels meanwhile';
    if (!up) this.#outputs.message(`${name} cannot be reached (${reason}): ${effect}`);
    else this.#outputs.message(`${name} is reached${isFirst ? '' : ' again'}`);
  }
}

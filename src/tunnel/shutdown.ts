import type { IncomingMessage } from 'node:http';
import { deferred } from '../helpers/deferred.js';
import type { CloseOptions } from '../types.js';
import { readCloseOptions } from './closing.js';
import type { TunnelContext } from './context.js';
import { Drain } from './drain.js';
import type { TunnelServers } from './servers.js';

/** The method `close()` of one tunnel object. */
export class Shutdown<Req extends IncomingMessage> {
  readonly #context: TunnelContext;
  readonly #servers: TunnelServers<Req>;
  readonly #leave: (timeout: number) => Promise<void>;
  #isDraining = false;
  #drain: Drain | undefined;
  readonly #closed = deferred();

  /** `leave`: ends the use of the shared state, and the programs of this tunnel object within `timeout` seconds. */
  constructor(
    context: TunnelContext,
    servers: TunnelServers<Req>,
    leave: (timeout: number) => Promise<void>,
  ) {
    this.#context = context;
    this.#servers = servers;
    this.#leave = leave;
  }

  /** True after the first call of `close`. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** The first call starts the shutdown, later calls shorten it. All calls return the same promise. */
  close(options?: CloseOptions): Promise<void> {
    const plan = readCloseOptions(options, this.#drain?.plan);
    if (this.#isDraining) {
      this.#drain?.shorten(plan);
      return this.#closed.promise;
    }
    // First, since the refusals and the ends of tunnels run code of the app, which may call `close` again.
    this.#isDraining = true;
    this.#drain = new Drain(this.#context, plan);
    this.#finish(this.#drain).then(this.#closed.resolve, this.#closed.reject);
    return this.#closed.promise;
  }

  async #finish(drain: Drain): Promise<void> {
    await drain.done;
    await this.#leave(drain.plan.timeout);
    this.#servers.detach();
  }
}

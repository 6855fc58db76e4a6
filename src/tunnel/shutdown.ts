import type { IncomingMessage } from 'node:http';
import { deferred } from '../helpers/deferred.js';
import type { Membership } from '../shared/local-state.js';
import type { CloseOptions } from '../types.js';
import { readCloseOptions } from './closing.js';
import type { TunnelContext } from './context.js';
import { Drain } from './drain.js';
import type { TunnelServers } from './servers.js';

/** The method `close()` of one tunnel object. */
export class Shutdown<Req extends IncomingMessage> {
  readonly #context: TunnelContext;
  readonly #servers: TunnelServers<Req>;
  readonly #membership: Membership;
  #isDraining = false;
  #drain: Drain | undefined;
  readonly #closed = deferred();
  #onClose: ((isDone: boolean) => void) | undefined;

  constructor(context: TunnelContext, servers: TunnelServers<Req>, membership: Membership) {
    this.#context = context;
    this.#servers = servers;
    this.#membership = membership;
  }

  /** `listener` is called at the first call of `close`, and again at the end. */
  onClose(listener: (isDone: boolean) => void): void {
    this.#onClose = listener;
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
    this.#onClose?.(false);
    this.#drain = new Drain(this.#context, plan);
    // With a grace, a program that no open tunnel uses must not run for hours.
    this.#membership.retire();
    this.#finish(this.#drain).then(this.#closed.resolve, this.#closed.reject);
    return this.#closed.promise;
  }

  async #finish(drain: Drain): Promise<void> {
    await drain.done;
    this.#onClose?.(true);
    await this.#membership.leave(drain.plan.timeout);
    this.#servers.detach();
  }
}

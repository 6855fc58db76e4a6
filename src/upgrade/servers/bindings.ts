import type { AttachableTunnel } from '../attachable-tunnel.js';

/** A tunnel's binding to a server by `attach()`. */
export interface Binding {
  /** All path prefixes that lead to the tunnel; undefined if the paths are not known. */
  readonly paths: readonly string[] | undefined;
  /** Any response of the app is final on the `paths`: other listeners get no upgrade there. */
  readonly exclusive: boolean;
}

const NO_BINDINGS: readonly (readonly [AttachableTunnel, Binding])[] = [];

/** The tunnels that `attach()` bound to one server. Bindings reference tunnels weakly. */
export class Bindings {
  readonly #bindings = new Map<WeakRef<AttachableTunnel>, Binding>();
  readonly #references = new WeakMap<AttachableTunnel, WeakRef<AttachableTunnel>>();

  set(tunnel: AttachableTunnel, binding: Binding): void {
    const reference = this.#references.get(tunnel) ?? new WeakRef(tunnel);
    this.#references.set(tunnel, reference);
    this.#bindings.set(reference, binding);
  }

  delete(tunnel: AttachableTunnel): void {
    const reference = this.#references.get(tunnel);
    if (reference) this.#bindings.delete(reference);
  }

  get(tunnel: AttachableTunnel): Binding | undefined {
    const reference = this.#references.get(tunnel);
    return reference && this.#bindings.get(reference);
  }

  /** The bindings of tunnels that still exist, in the order of first binding. */
  list(): readonly (readonly [AttachableTunnel, Binding])[] {
    if (this.#bindings.size === 0) return NO_BINDINGS;
    return [...this.#bindings].flatMap(([reference, binding]) => {
      const tunnel = reference.deref();
      if (tunnel) return [[tunnel, binding] as const];
      this.#bindings.delete(reference);
      return [];
    });
  }
}

import type { AttachableTunnel } from '../attachable-tunnel.js';

/** How `attach()` bound a tunnel to a server. */
export interface Binding {
  /** The only paths that lead to the tunnel, as prefixes; undefined where they are not known. */
  readonly paths: readonly string[] | undefined;
  /** On those paths the app's response is final, whatever it is. */
  readonly exclusive: boolean;
}

/** The tunnels that `attach()` bound to one server. A binding does not keep its tunnel from being collected. */
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

  /** Those of tunnels that still exist, in the order of their first binding. */
  list(): readonly (readonly [AttachableTunnel, Binding])[] {
    return [...this.#bindings].flatMap(([reference, binding]) => {
      const tunnel = reference.deref();
      if (tunnel) return [[tunnel, binding] as const];
      this.#bindings.delete(reference);
      return [];
    });
  }
}

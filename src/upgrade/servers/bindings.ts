import type { UpgradeTarget } from '../attachable-tunnel.js';

/** How a tunnel was bound to a server by hand. */
export interface Binding {
  /** The only paths that lead to it, as prefixes; undefined where they are not known. */
  readonly paths: readonly string[] | undefined;
  /** Whatever the app answers on those paths is final. */
  readonly exclusive: boolean;
}

/** The tunnels that were bound to one server by hand. A tunnel that nobody else holds can be collected. */
export class Bindings {
  readonly #bindings = new Map<WeakRef<UpgradeTarget>, Binding>();
  readonly #references = new WeakMap<UpgradeTarget, WeakRef<UpgradeTarget>>();

  set(target: UpgradeTarget, binding: Binding): void {
    const reference = this.#references.get(target) ?? new WeakRef(target);
    this.#references.set(target, reference);
    this.#bindings.set(reference, binding);
  }

  delete(target: UpgradeTarget): void {
    const reference = this.#references.get(target);
    if (reference) this.#bindings.delete(reference);
  }

  get(target: UpgradeTarget): Binding | undefined {
    const reference = this.#references.get(target);
    return reference && this.#bindings.get(reference);
  }

  /** Those that still exist. */
  list(): readonly (readonly [UpgradeTarget, Binding])[] {
    return [...this.#bindings].flatMap(([reference, binding]) => {
      const target = reference.deref();
      if (target) return [[target, binding] as const];
      this.#bindings.delete(reference);
      return [];
    });
  }
}

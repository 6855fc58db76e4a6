/** A lease of a counted resource. Only the first call of `release` has an effect. */
export interface Lease {
  release(): void;
}

/** A lease of an uncounted resource. */
export const UNCOUNTED: Lease = { release: () => undefined };

/** A lease whose first release calls `end`. */
export function leaseOf(end: () => void): Lease {
  return new SingleLease(end);
}

/** Two leases as one. The second lease is released even if the release of the first throws. */
export function bothOf(one: Lease, other: Lease): Lease {
  if (one === UNCOUNTED) return other;
  return new DoubleLease(one, other);
}

// Classes, since each open tunnel has several leases: a closure needs a context as well.
class SingleLease implements Lease {
  #end: (() => void) | undefined;

  constructor(end: () => void) {
    this.#end = end;
  }

  release(): void {
    const end = this.#end;
    this.#end = undefined;
    end?.();
  }
}

class DoubleLease implements Lease {
  readonly #one: Lease;
  readonly #other: Lease;

  constructor(one: Lease, other: Lease) {
    this.#one = one;
    this.#other = other;
  }

  release(): void {
    try {
      this.#one.release();
    } finally {
      this.#other.release();
    }
  }
}

/** A place taken; `release` may be called more than once and counts once. */
export interface Lease {
  release(): void;
}

/** Of what is not counted. */
export const UNCOUNTED: Lease = { release: () => undefined };

/** One that ends with `end`, however often it is released. */
export function leaseOf(end: () => void): Lease {
  let held = true;
  const release = () => {
    if (!held) return;
    held = false;
    end();
  };
  return { release };
}

/** Releases the second one also where the first one throws. */
export function bothOf(one: Lease, other: Lease): Lease {
  const release = () => {
    try {
      one.release();
    } finally {
      other.release();
    }
  };
  return { release };
}

/** A lease of a counted resource. Only the first call of `release` has an effect. */
export interface Lease {
  release(): void;
}

/** A lease of an uncounted resource. */
export const UNCOUNTED: Lease = { release: () => undefined };

/** A lease whose first release calls `end`. */
export function leaseOf(end: () => void): Lease {
  let isReleased = false;
  const release = () => {
    if (isReleased) return;
    isReleased = true;
    end();
  };
  return { release };
}

/** Two leases as one. The second lease is released even if the release of the first throws. */
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

/** A place taken; `release` may be called more than once and counts once. */
export interface Lease {
  release(): void;
}

export function bothOf(one: Lease, other: Lease): Lease {
  const release = () => {
    one.release();
    other.release();
  };
  return { release };
}

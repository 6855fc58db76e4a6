/** A place taken; `release` may be called more than once and counts once. */
export interface Lease {
  release(): void;
}

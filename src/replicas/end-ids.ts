/** An id less than the ids of all ends from this time on (milliseconds on the store's clock). */
export function idBefore(time: number): string {
  return `${Math.max(0, Math.floor(time) - 1)}-0`;
}

/** Is `id` greater than `other`? Ids have the form `1-0` or `1`: milliseconds on the store's clock, and a number. */
export function isAfter(id: string, other: string): boolean {
  const [a = 0, b = 0] = id.split('-').map(Number);
  const [c = 0, d = 0] = other.split('-').map(Number);
  return a > c || (a === c && b > d);
}

/** An entry of a {@link DueQueue}. */
export interface Due {
  /** By `performance.now()`. Not changed while the entry is queued. */
  due: number;
  /** The place in the queue, kept by the queue; -1 outside of it. */
  place: number;
}

/** Entries by due time: a binary heap in which each entry knows its place, so that any entry can be removed at once. */
export class DueQueue<T extends Due> {
  readonly #heap: T[] = [];

  get size(): number {
    return this.#heap.length;
  }

  get first(): T | undefined {
    return this.#heap[0];
  }

  /** All entries, in no particular order. */
  all(): readonly T[] {
    return [...this.#heap];
  }

  add(entry: T): void {
    if (entry.place !== -1) return;
    this.#heap.push(entry);
    this.#rise(entry, this.#heap.length - 1);
  }

  remove(entry: T): void {
    const at = entry.place;
    if (at === -1) return;
    entry.place = -1;
    const last = this.#heap.pop();
    if (!last || last === entry) return;
    this.#sink(last, at);
    this.#rise(last, last.place);
  }

  #rise(entry: T, from: number): void {
    let at = from;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = this.#heap[above];
      if (!parent || parent.due <= entry.due) break;
      this.#put(parent, at);
      at = above;
    }
    this.#put(entry, at);
  }

  #sink(entry: T, from: number): void {
    let at = from;
    for (;;) {
      const [left, right] = [this.#heap[2 * at + 1], this.#heap[2 * at + 2]];
      const isRight = left && right && right.due < left.due;
      const child = isRight ? right : left;
      if (!child || child.due >= entry.due) break;
      this.#put(child, at);
      at = 2 * at + (isRight ? 2 : 1);
    }
    this.#put(entry, at);
  }

  #put(entry: T, at: number): void {
    this.#heap[at] = entry;
    entry.place = at;
  }
}

import { area, covers, intersect, subtract, union, type Rect } from './rect.js';

const MAX_RECTS = 16;
/** The largest area of a merged rectangle, relative to its parts. */
const SLACK = 1.25;

/** Dirty rectangles, merged when they are added: a slow viewer uses a bounded amount of memory. */
export class Region {
  #rects: Rect[] = [];

  get isEmpty(): boolean {
    return this.#rects.length === 0;
  }

  add(rect: Rect): void {
    if (rect.width <= 0 || rect.height <= 0) return;
    let merged = rect;
    for (let at = 0; at < this.#rects.length; at++) {
      const other = this.#rects[at];
      if (other === undefined) break;
      if (covers(other, merged)) return;
      const both = union(other, merged);
      if (area(both) <= (area(other) + area(merged)) * SLACK) {
        this.#rects.splice(at, 1);
        merged = both;
        at = -1;
      }
    }
    this.#rects.push(merged);
    if (this.#rects.length > MAX_RECTS) this.#joinCheapest();
  }

  /** Removes and returns the parts within `bounds`. */
  take(bounds: Rect): Rect[] {
    const taken: Rect[] = [];
    const kept: Rect[] = [];
    for (const rect of this.#rects) {
      const inside = intersect(rect, bounds);
      if (inside === undefined) kept.push(rect);
      else {
        taken.push(inside);
        kept.push(...subtract(rect, inside));
      }
    }
    // Not by add(), which might merge the remaining parts into a rectangle around the removed parts.
    this.#rects = kept;
    while (this.#rects.length > MAX_RECTS) this.#joinCheapest();
    return taken;
  }

  takeAll(): Rect[] {
    const taken = this.#rects;
    this.#rects = [];
    return taken;
  }

  #joinCheapest(): void {
    let best: { a: Rect; b: Rect; waste: number } | undefined;
    this.#rects.forEach((a, at) => {
      for (const b of this.#rects.slice(at + 1)) {
        const waste = area(union(a, b)) - area(a) - area(b);
        if (best === undefined || waste < best.waste) best = { a, b, waste };
      }
    });
    if (best === undefined) return;
    const { a, b } = best;
    this.#rects = this.#rects.filter((rect) => rect !== a && rect !== b);
    this.#rects.push(union(a, b));
  }
}

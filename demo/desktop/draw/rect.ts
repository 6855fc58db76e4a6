export interface Rect {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export const rect = (x: number, y: number, width: number, height: number): Rect => ({ x, y, width, height });

export const right = (r: Rect): number => r.x + r.width;
export const bottom = (r: Rect): number => r.y + r.height;
export const area = (r: Rect): number => r.width * r.height;

export const contains = (r: Rect, x: number, y: number): boolean =>
  x >= r.x && y >= r.y && x < right(r) && y < bottom(r);

export const covers = (outer: Rect, inner: Rect): boolean =>
  inner.x >= outer.x && inner.y >= outer.y && right(inner) <= right(outer) && bottom(inner) <= bottom(outer);

export const shift = (r: Rect, dx: number, dy: number): Rect => rect(r.x + dx, r.y + dy, r.width, r.height);

export const grow = (r: Rect, by: number): Rect =>
  rect(r.x - by, r.y - by, r.width + 2 * by, r.height + 2 * by);

/** The smallest rectangle of whole pixels around a shape. */
export function outward(x0: number, y0: number, x1: number, y1: number): Rect {
  const x = Math.floor(x0);
  const y = Math.floor(y0);
  return rect(x, y, Math.ceil(x1) - x, Math.ceil(y1) - y);
}

export function intersect(a: Rect, b: Rect): Rect | undefined {
  const x = Math.max(a.x, b.x);
  const y = Math.max(a.y, b.y);
  const width = Math.min(right(a), right(b)) - x;
  const height = Math.min(bottom(a), bottom(b)) - y;
  return width > 0 && height > 0 ? rect(x, y, width, height) : undefined;
}

export function union(a: Rect, b: Rect): Rect {
  const x = Math.min(a.x, b.x);
  const y = Math.min(a.y, b.y);
  return rect(x, y, Math.max(right(a), right(b)) - x, Math.max(bottom(a), bottom(b)) - y);
}

/** The parts of `a` outside `hole` (which must be inside `a`): at most four. */
export function subtract(a: Rect, hole: Rect): Rect[] {
  return [
    rect(a.x, a.y, a.width, hole.y - a.y),
    rect(a.x, bottom(hole), a.width, bottom(a) - bottom(hole)),
    rect(a.x, hole.y, hole.x - a.x, hole.height),
    rect(right(hole), hole.y, right(a) - right(hole), hole.height),
  ].filter((part) => part.width > 0 && part.height > 0);
}

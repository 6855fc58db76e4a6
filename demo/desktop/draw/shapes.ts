import { grow, outward, type Rect } from './rect.js';

/** Signed distance in pixels from a point to a shape's edge: negative inside. */
export type Distance = (x: number, y: number) => number;

export interface Shape {
  readonly bounds: Rect;
  readonly distance: Distance;
}

// Math.hypot() guards against overflow and is many times slower: too slow for a call per pixel.
export const length = (dx: number, dy: number): number => Math.sqrt(dx * dx + dy * dy);

export function toSegment(x: number, y: number, x0: number, y0: number, x1: number, y1: number): number {
  const dx = x1 - x0;
  const dy = y1 - y0;
  const square = dx * dx + dy * dy;
  const along = square === 0 ? 0 : Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / square));
  return length(x - x0 - along * dx, y - y0 - along * dy);
}

export function roundBox(box: Rect, radius: number): Shape {
  const halfWidth = box.width / 2 - radius;
  const halfHeight = box.height / 2 - radius;
  const cx = box.x + box.width / 2;
  const cy = box.y + box.height / 2;
  const distance: Distance = (x, y) => {
    const qx = Math.abs(x - cx) - halfWidth;
    const qy = Math.abs(y - cy) - halfHeight;
    return length(Math.max(qx, 0), Math.max(qy, 0)) + Math.min(Math.max(qx, qy), 0) - radius;
  };
  return { bounds: grow(outward(box.x, box.y, box.x + box.width, box.y + box.height), 1), distance };
}

export function disc(cx: number, cy: number, radius: number): Shape {
  return {
    bounds: outward(cx - radius - 1, cy - radius - 1, cx + radius + 1, cy + radius + 1),
    distance: (x, y) => length(x - cx, y - cy) - radius,
  };
}

export function ring(shape: Shape, width: number): Shape {
  return {
    bounds: grow(shape.bounds, Math.ceil(width)),
    distance: (x, y) => Math.abs(shape.distance(x, y) + width / 2) - width / 2,
  };
}

/** A line with round ends. */
export function line(x0: number, y0: number, x1: number, y1: number, width: number): Shape {
  const pad = width / 2 + 1;
  return {
    bounds: outward(
      Math.min(x0, x1) - pad,
      Math.min(y0, y1) - pad,
      Math.max(x0, x1) + pad,
      Math.max(y0, y1) + pad,
    ),
    distance: (x, y) => toSegment(x, y, x0, y0, x1, y1) - width / 2,
  };
}

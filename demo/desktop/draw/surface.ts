import { bottom, intersect, rect, right, type Rect } from './rect.js';
import type { Distance } from './shapes.js';

/** Mixes two colours; `alpha` is 0 to 255. */
export function blend(under: number, over: number, alpha: number): number {
  // Maps 255 to 256, so that after the division by 256 an opaque colour is unchanged.
  const a = alpha + (alpha >> 7);
  const b = 256 - a;
  const redBlue = (((under & 0xff00ff) * b + (over & 0xff00ff) * a) >>> 8) & 0xff00ff;
  const green = (((under & 0x00ff00) * b + (over & 0x00ff00) * a) >>> 8) & 0x00ff00;
  return redBlue | green;
}

export interface Mask {
  readonly width: number;
  readonly height: number;
  readonly alpha: Uint8Array;
}

/** Opaque pixels, 0xRRGGBB each. */
export class Surface {
  readonly data: Uint32Array;
  readonly bounds: Rect;

  constructor(
    readonly width: number,
    readonly height: number,
    color = 0,
  ) {
    this.data = new Uint32Array(width * height).fill(color);
    this.bounds = rect(0, 0, width, height);
  }

  at(x: number, y: number): number {
    return this.data[y * this.width + x] ?? 0;
  }

  fill(where: Rect, color: number): void {
    const clip = intersect(where, this.bounds);
    if (clip === undefined) return;
    for (let y = clip.y; y < bottom(clip); y++) {
      const row = y * this.width;
      this.data.fill(color, row + clip.x, row + right(clip));
    }
  }

  /** Blends one pixel. */
  mix(x: number, y: number, color: number, alpha: number): void {
    if (alpha <= 0 || x < 0 || y < 0 || x >= this.width || y >= this.height) return;
    const at = y * this.width + x;
    this.data[at] = blend(this.data[at] ?? 0, color, Math.min(alpha, 255));
  }

  /** Fills a shape, with a smooth edge; `opacity` is 0 to 1. */
  shape(shape: { bounds: Rect; distance: Distance }, color: number, opacity = 1): void {
    const clip = intersect(shape.bounds, this.bounds);
    if (clip === undefined) return;
    for (let y = clip.y; y < bottom(clip); y++) {
      for (let x = clip.x; x < right(clip); x++) {
        const cover = 0.5 - shape.distance(x + 0.5, y + 0.5);
        if (cover > 0) this.mix(x, y, color, Math.round(Math.min(cover, 1) * opacity * 255));
      }
    }
  }

  /** Stamps a colour through an alpha bitmap. */
  stamp(mask: Mask, left: number, top: number, color: number): void {
    for (let y = 0, at = 0; y < mask.height; y++) {
      for (let x = 0; x < mask.width; x++, at++) this.mix(left + x, top + y, color, mask.alpha[at] ?? 0);
    }
  }

  /** Copies `from` to the position (left, top), clipped to `clip`. */
  copy(from: Surface, left: number, top: number, clip: Rect): void {
    const placed = intersect(rect(left, top, from.width, from.height), clip);
    const where = placed && intersect(placed, this.bounds);
    if (where === undefined) return;
    for (let y = where.y; y < bottom(where); y++) {
      const start = (y - top) * from.width + where.x - left;
      this.data.set(from.data.subarray(start, start + where.width), y * this.width + where.x);
    }
  }
}

import { bottom, intersect, rect, right, type Rect } from '../draw/rect.js';
import { roundBox } from '../draw/shapes.js';
import type { Surface } from '../draw/surface.js';

/** The width of a window's shadow, in pixels. */
export const REACH = 30;
const DROP = 10;
const SHADOW = 0x0b1024;
const STRENGTH = 0.36;
const EDGE = 0.2;

const fade = (distance: number, blur: number): number => {
  const t = Math.max(0, Math.min(1, (blur - distance) / (2 * blur)));
  return t * t * (3 - 2 * t);
};

/** The soft shadow and the hairline around a window of one size. */
export class Shadow {
  readonly #alpha: Uint8Array;
  readonly #width: number;

  constructor(
    readonly width: number,
    readonly height: number,
    readonly radius: number,
  ) {
    this.#width = width + 2 * REACH;
    this.#alpha = new Uint8Array(this.#width * (height + 2 * REACH));
    const box = roundBox(rect(REACH, REACH, width, height), radius);
    const dropped = roundBox(rect(REACH + 2, REACH + DROP, width - 4, height - 2), radius + 6);
    for (let y = 0, at = 0; y < height + 2 * REACH; y++) {
      for (let x = 0; x < this.#width; x++, at++) {
        const soft = fade(dropped.distance(x + 0.5, y + 0.5), REACH - DROP) * STRENGTH;
        const edge = Math.max(0, 1 - Math.abs(box.distance(x + 0.5, y + 0.5) - 0.5)) * EDGE;
        this.#alpha[at] = Math.round((soft + edge * (1 - soft)) * 255);
      }
    }
  }

  /** Darkens the surroundings of a window at (left, top). Inside the window, only the corners change. */
  cast(surface: Surface, left: number, top: number, clip: Rect): void {
    const where = intersect(rect(left - REACH, top - REACH, this.#width, this.height + 2 * REACH), clip);
    if (where === undefined) return;
    for (let y = where.y; y < bottom(where); y++) {
      const beside = y >= top + this.radius && y < top + this.height - this.radius;
      for (let x = where.x; x < right(where); x++) {
        if (beside && x >= left && x < left + this.width) x = left + this.width;
        if (x >= right(where)) break;
        const alpha = this.#alpha[(y - top + REACH) * this.#width + x - left + REACH] ?? 0;
        surface.mix(x, y, SHADOW, alpha);
      }
    }
  }
}

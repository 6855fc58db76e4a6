import { length } from '../draw/shapes.js';
import { blend, Surface } from '../draw/surface.js';

const SKY = [
  [0, 0x1d2b53],
  [0.3, 0x44508c],
  [0.52, 0x9a7aae],
  [0.68, 0xec9f9b],
  [0.82, 0xffd1a6],
  [1, 0xffe3bd],
] as const;
const HAZE = 0xf0b5a6;
const SUN = { x: 0.5, y: 0.69, color: 0xfff1d2, glow: 0.34, disc: 0.052 } as const;

interface Ridge {
  readonly height: number;
  readonly swell: number;
  readonly phase: number;
  readonly color: number;
}

const RIDGES: readonly Ridge[] = [
  { height: 0.73, swell: 0.036, phase: 0.6, color: 0xb4819c },
  { height: 0.79, swell: 0.044, phase: 2.3, color: 0x84638f },
  { height: 0.86, swell: 0.04, phase: 4.4, color: 0x574a7c },
  { height: 0.93, swell: 0.034, phase: 1.4, color: 0x343560 },
  { height: 0.985, swell: 0.024, phase: 3.2, color: 0x1f2547 },
];

function sky(height: number): number {
  let [from, color]: readonly [number, number] = SKY[0];
  for (const [stop, next] of SKY) {
    if (height <= stop) {
      return stop === from ? next : blend(color, next, Math.round(((height - from) / (stop - from)) * 255));
    }
    [from, color] = [stop, next];
  }
  return color;
}

/** The height of a range of hills at `x` (0 to 1), as a fraction of the screen's height. */
function crest({ height, swell, phase }: Ridge, x: number): number {
  const wave =
    Math.sin(x * 5.1 + phase) * 0.6 +
    Math.sin(x * 11.7 + phase * 2.1) * 0.28 +
    Math.sin(x * 23.3 + phase * 3.7) * 0.12;
  return height - swell * wave;
}

/** A picture of hills at dusk, drawn once. */
export function wallpaper(width: number, height: number): Surface {
  const surface = new Surface(width, height);
  for (let y = 0; y < height; y++) {
    const color = sky(y / height);
    for (let x = 0; x < width; x++) {
      const away = length((x - SUN.x * width) / height, y / height - SUN.y);
      const glow = Math.max(0, 1 - away / SUN.glow) ** 2 * 0.55;
      const disc = Math.max(0, Math.min(1, (SUN.disc - away) * height + 0.5));
      const alpha = Math.round(Math.max(glow, disc * 0.92) * 255);
      surface.data[y * width + x] = alpha > 0 ? blend(color, SUN.color, alpha) : color;
    }
  }
  for (const ridge of RIDGES) {
    for (let x = 0; x < width; x++) {
      const line = crest(ridge, x / width) * height;
      for (let y = Math.max(0, Math.floor(line)); y < height; y++) {
        const cover = Math.min(1, y + 1 - line);
        const mist = Math.max(0, 0.42 - ((y - line) / height) * 3.2);
        const color = blend(ridge.color, HAZE, Math.round(mist * 255 * (1 - ridge.height * 0.6)));
        surface.mix(x, y, color, Math.round(cover * 255));
      }
    }
  }
  return surface;
}

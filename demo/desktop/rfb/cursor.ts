import { rect } from '../draw/rect.js';
import { Surface } from '../draw/surface.js';
import { toSegment } from '../draw/shapes.js';
import { rectangleHeader } from './header.js';
import type { Translator } from './pixelformat.js';

export const CURSOR = -239;
const WIDTH = 15;
const HEIGHT = 22;
const TIP = 1;
const OUTLINE = 1.15;
const FILL = 0x1b2130;
const EDGE = 0xffffff;

/** An arrow with its tip at the origin. */
const ARROW = [
  [0, 0],
  [0, 15.6],
  [3.7, 12.3],
  [6.3, 18.2],
  [8.9, 17],
  [6.4, 11.3],
  [11.2, 11],
] as const;

const sides = ARROW.map(([x, y], at) => {
  const [nextX, nextY] = ARROW[(at + 1) % ARROW.length] ?? ARROW[0];
  return [x, y, nextX, nextY] as const;
});

function distance(x: number, y: number): number {
  const crossings = sides.filter(
    ([x0, y0, x1, y1]) => y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0),
  );
  const away = Math.min(...sides.map((side) => toSegment(x, y, ...side)));
  return crossings.length % 2 === 1 ? -away : away;
}

/** https://www.rfc-editor.org/rfc/rfc6143#section-7.8.1 */
export function cursorRectangle(translator: Translator): Buffer {
  const picture = new Surface(WIDTH, HEIGHT, FILL);
  const rowBytes = Math.ceil(WIDTH / 8);
  const mask = Buffer.alloc(rowBytes * HEIGHT);
  for (let y = 0; y < HEIGHT; y++) {
    for (let x = 0; x < WIDTH; x++) {
      const away = distance(x - TIP + 0.25, y - TIP + 0.25);
      if (away > OUTLINE) continue;
      picture.data[y * WIDTH + x] = away <= -0.02 ? FILL : EDGE;
      const at = y * rowBytes + (x >> 3);
      mask[at] = (mask[at] ?? 0) | (0x80 >> (x & 7));
    }
  }
  const header = rectangleHeader(rect(TIP, TIP, WIDTH, HEIGHT), CURSOR);
  return Buffer.concat([header, translator.pixels(picture, picture.bounds), mask]);
}

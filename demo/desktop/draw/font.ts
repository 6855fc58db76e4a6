import { missing, monospaced, proportional } from './glyphs.js';
import { hint } from './hint.js';
import { outline } from './outline.js';
import { toSegment } from './shapes.js';
import type { Mask, Surface } from './surface.js';

export interface FontStyle {
  /** Height of a capital letter, in pixels. */
  readonly cap: number;
  /** Half the width of a stroke, in pixels. */
  readonly stroke: number;
  /** Width of a cell, for monospaced text. */
  readonly cell?: number;
}

interface Glyph extends Mask {
  readonly left: number;
  readonly top: number;
  readonly advance: number;
}

const MARGIN = 2;
const DOT = 1.5;
/** The grid's baseline and the height of small letters (see glyphs.ts). */
const BASELINE = 14;
const FULL_CELL = 7.2;

export class Font {
  readonly #glyphs = new Map<string, Glyph>();

  constructor(readonly style: FontStyle) {}

  /** Draws a text with its baseline in the pixel row `baseline`; returns the x of the next letter. */
  draw(surface: Surface, x: number, baseline: number, text: string, color: number): number {
    let pen = x;
    for (const character of text) {
      const glyph = this.#glyph(character);
      surface.stamp(glyph, pen + glyph.left, baseline + glyph.top, color);
      pen += glyph.advance;
    }
    return pen;
  }

  width(text: string): number {
    let width = 0;
    for (const character of text) width += this.#glyph(character).advance;
    return width;
  }

  #glyph(character: string): Glyph {
    const table = this.style.cell === undefined ? proportional : monospaced;
    const key = character === ' ' || table[character] !== undefined ? character : '';
    const known = this.#glyphs.get(key);
    if (known !== undefined) return known;
    const glyph = key === ' ' ? this.#space() : this.#rasterize(table[key] ?? missing, /\d/.test(key));
    this.#glyphs.set(key, glyph);
    return glyph;
  }

  #space(): Glyph {
    const { cap, cell } = this.style;
    return {
      width: 0,
      height: 0,
      alpha: new Uint8Array(),
      left: 0,
      top: 0,
      advance: cell ?? Math.round(cap * 0.42),
    };
  }

  #rasterize(notation: string, tabular: boolean): Glyph {
    const { cap, stroke, cell } = this.style;
    const scale = (cap - 1) / BASELINE;
    const { strokes, dots, stems, bars } = outline(notation);
    const first = Math.min(...stems);
    const widest = Math.max(...stems) - first;
    const squeeze = cell !== undefined && widest > FULL_CELL ? FULL_CELL / widest : 1;
    const mapX = hint(stems, first, scale * squeeze, true);
    // The baseline and the two heights are always whole rows, so that letters line up with each other.
    const mapY = hint([...bars, 0, 4, BASELINE], BASELINE, scale, false);
    const columns = Math.round(mapX(first + widest) + 0.5);
    const top = Math.floor(mapY(Math.min(...bars))) - MARGIN;
    const width = columns + 2 * MARGIN;
    const height = Math.ceil(mapY(Math.max(...bars))) + MARGIN - top;
    const alpha = new Uint8Array(width * height);
    const segments = strokes.flatMap((points) =>
      points.slice(1).map((point, at) => {
        const from = points[at] ?? point;
        return [mapX(from.x), mapY(from.y), mapX(point.x), mapY(point.y)] as const;
      }),
    );
    const spots = dots.map(({ x, y }) => [mapX(x), mapY(y)] as const);
    for (let row = 0; row < height; row++) {
      for (let column = 0; column < width; column++) {
        const x = column - MARGIN + 0.5;
        const y = row + top + 0.5;
        let cover = 0;
        for (const [x0, y0, x1, y1] of segments) {
          cover = Math.max(cover, stroke + 0.5 - toSegment(x, y, x0, y0, x1, y1));
        }
        for (const [cx, cy] of spots)
          cover = Math.max(cover, stroke * DOT + 0.5 - Math.hypot(x - cx, y - cy));
        alpha[row * width + column] = Math.round(Math.min(1, cover) * 255);
      }
    }
    const gap = Math.max(1, Math.round(cap * 0.2));
    const digit = Math.round(7 * scale) + 1;
    const slot = cell ?? (tabular ? digit : columns) + gap;
    const lead = cell === undefined && !tabular ? Math.floor(gap / 2) : Math.floor((slot - columns) / 2);
    return { width, height, alpha, left: lead - MARGIN, top, advance: slot };
  }
}

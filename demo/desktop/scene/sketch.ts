import { contains, grow, intersect, rect, type Rect } from '../draw/rect.js';
import { disc, line, ring, roundBox } from '../draw/shapes.js';
import { Surface } from '../draw/surface.js';
import { layout, within } from '../layout.js';
import { Button } from './button.js';
import type { Seat } from './seat.js';
import { fonts, light, palette } from './theme.js';
import { Window } from './window.js';

export const inks = [palette.ink, palette.blue, palette.mint, palette.amber, palette.coral, palette.violet];
const BRUSH = 4.5;
const HINT = 'Draw here with the pointer';

/** A sheet of paper. Each viewer has a pen; all pens use the colour that was chosen last. */
export class Sketch extends Window {
  readonly #canvas = within(layout.sketch, layout.canvas);
  readonly #swatches = layout.swatches.map((swatch) => within(layout.sketch, swatch));
  readonly #paper: Surface;
  readonly #pens = new Map<Seat, { readonly x: number; readonly y: number }>();
  #chosen = 1;
  #isBlank = true;

  constructor(frame: Rect) {
    super(frame, 'Sketch', palette.coral, light);
    this.#paper = new Surface(this.#canvas.width, this.#canvas.height);
    this.#wipe(HINT);
    this.#drawSwatches();
    const clear = within(layout.sketch, layout.clear);
    const damaged = (part: Rect): void => this.damage(part);
    this.buttons.push(new Button(clear, 'Clear', this.surface, damaged, () => this.#wipe(HINT)));
  }

  override press(x: number, y: number, seat: Seat): void {
    super.press(x, y, seat);
    const swatch = this.#swatches.findIndex((where) => contains(where, x, y));
    if (swatch >= 0) {
      this.#chosen = swatch;
      this.#drawSwatches();
    }
    if (contains(this.#canvas, x, y)) {
      this.#pens.set(seat, { x, y });
      this.#stroke(x, y, x, y);
    }
  }

  override drag(x: number, y: number, seat: Seat): void {
    super.drag(x, y, seat);
    const pen = this.#pens.get(seat);
    if (pen === undefined) return;
    this.#stroke(pen.x, pen.y, x, y);
    this.#pens.set(seat, { x, y });
  }

  override release(x: number, y: number, seat: Seat): void {
    super.release(x, y, seat);
    this.#pens.delete(seat);
  }

  /** The strokes, which the paper clips at its edge. */
  #stroke(x0: number, y0: number, x1: number, y1: number): void {
    const { x, y } = this.#canvas;
    if (this.#isBlank) this.#wipe('');
    const shape = line(x0 - x + 0.5, y0 - y + 0.5, x1 - x + 0.5, y1 - y + 0.5, BRUSH);
    this.#paper.shape(shape, inks[this.#chosen] ?? palette.ink);
    this.#show(rect(shape.bounds.x + x, shape.bounds.y + y, shape.bounds.width, shape.bounds.height));
  }

  #wipe(hint: string): void {
    this.#isBlank = hint !== '';
    const { width, height } = this.#canvas;
    this.#paper.fill(this.#paper.bounds, palette.paper);
    for (let y = 15; y < height; y += 18) {
      for (let x = 17; x < width; x += 18) this.#paper.mix(x, y, palette.faint, 90);
    }
    if (hint !== '') this.#write(hint);
    this.surface.shape(roundBox(grow(this.#canvas, 1), 2), 0xdfe3ea);
    this.#show(this.#canvas);
    this.damage(grow(this.#canvas, 1));
  }

  #write(hint: string): void {
    const width = fonts.text.width(hint);
    const left = Math.round((this.#paper.width - width) / 2);
    const middle = Math.round(this.#paper.height / 2);
    this.#paper.fill(rect(left - 10, middle - 12, width + 20, 24), palette.paper);
    fonts.text.draw(this.#paper, left, middle + 4, hint, palette.faint);
  }

  #show(part: Rect): void {
    const where = intersect(part, this.#canvas);
    if (where === undefined) return;
    this.surface.copy(this.#paper, this.#canvas.x, this.#canvas.y, where);
    this.damage(where);
  }

  #drawSwatches(): void {
    this.#swatches.forEach((where, at) => {
      const shape = disc(
        where.x + where.width / 2,
        where.y + where.height / 2,
        at === this.#chosen ? 7 : 8.5,
      );
      const color = inks[at] ?? palette.ink;
      this.surface.fill(where, light.body);
      this.surface.shape(shape, color);
      if (at === this.#chosen) {
        const around = disc(where.x + where.width / 2, where.y + where.height / 2, 11);
        this.surface.shape(ring(around, 1.8), color);
      }
      this.damage(where);
    });
  }
}

import { bottom, rect, right, type Rect } from '../draw/rect.js';
import { disc, line } from '../draw/shapes.js';
import { Flow } from './flow.js';
import { fonts, light, palette } from './theme.js';
import { Window } from './window.js';

const SCALE = 40;
const READOUT_TICKS = 6;

interface Series {
  readonly label: string;
  readonly color: number;
  readonly tint: number;
  readonly flow: Flow;
  readonly values: number[];
  readonly left: number;
}

/** A chart that moves one pixel to the left with every tick. */
export class Traffic extends Window {
  readonly #plot: Rect;
  readonly #readout: Rect;
  readonly #series: readonly Series[];
  #ticks = 0;

  constructor(frame: Rect) {
    super(frame, 'Traffic', palette.blue, light);
    this.#plot = rect(16, 94, frame.width - 56, frame.height - 112);
    this.#readout = rect(12, 40, frame.width - 24, 42);
    const series = (label: string, color: number, tint: number, flow: Flow, left: number): Series => ({
      label,
      color,
      tint,
      flow,
      values: Array.from({ length: this.#plot.width }, () => flow.next()),
      left,
    });
    this.#series = [
      series('Received', palette.blue, 0.24, new Flow(0.34, 0.95), 16),
      series('Sent', palette.coral, 0.14, new Flow(0.16, 0.5), 156),
    ];
    this.#drawScale();
    this.#drawReadout();
    this.#drawPlot();
  }

  override tick(): void {
    for (const { values, flow } of this.#series) {
      values.shift();
      values.push(flow.next());
    }
    this.#ticks++;
    this.#drawPlot();
    if (this.#ticks % READOUT_TICKS === 0) this.#drawReadout();
  }

  #height(value: number): number {
    return bottom(this.#plot) - 1 - value * (this.#plot.height - 2);
  }

  #drawScale(): void {
    for (const part of [0, 0.5, 1]) {
      const y = Math.round(this.#height(part));
      fonts.caption.draw(this.surface, right(this.#plot) + 9, y + 4, `${part * SCALE}`, palette.faint);
    }
  }

  #drawReadout(): void {
    this.surface.fill(this.#readout, light.body);
    for (const { label, color, values, left } of this.#series) {
      this.surface.shape(disc(left + 4, 52.5, 3.5), color);
      fonts.caption.draw(this.surface, left + 14, 56, label, palette.slate);
      const figure = ((values.at(-1) ?? 0) * SCALE).toFixed(1);
      fonts.figures.draw(this.surface, left - 1, 78, figure, palette.ink);
      fonts.caption.draw(this.surface, left + fonts.figures.width('00.0') + 4, 78, 'Mbit/s', palette.faint);
    }
    this.damage(this.#readout);
  }

  #drawPlot(): void {
    const plot = this.#plot;
    this.surface.fill(plot, light.body);
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      this.surface.fill(rect(plot.x, Math.round(this.#height(part)), plot.width, 1), palette.grid);
    }
    for (const { values, color, tint } of this.#series) {
      values.forEach((value, at) => {
        const top = Math.ceil(this.#height(value));
        for (let y = top; y < bottom(plot); y++) {
          const fade = 1 - (y - plot.y) / plot.height;
          this.surface.mix(plot.x + at, y, color, Math.round(tint * (0.12 + fade) * 255));
        }
      });
      // One shape per pair of columns would draw the joints twice: each column takes the nearest piece.
      values.forEach((value, at) => {
        this.#drawColumn(at, values[at - 1] ?? value, value, values[at + 1] ?? value, color);
      });
    }
    this.damage(plot);
  }

  #drawColumn(at: number, before: number, here: number, after: number, color: number): void {
    const x = this.#plot.x + at + 0.5;
    const [y0, y1, y2] = [this.#height(before), this.#height(here), this.#height(after)];
    const first = line(x - 1, y0, x, y1, 1.7);
    const second = line(x, y1, x + 1, y2, 1.7);
    const from = Math.max(this.#plot.y, Math.floor(Math.min(y0, y1, y2) - 2));
    const to = Math.min(bottom(this.#plot) - 1, Math.ceil(Math.max(y0, y1, y2) + 2));
    for (let y = from; y <= to; y++) {
      const cover = 0.5 - Math.min(first.distance(x, y + 0.5), second.distance(x, y + 0.5));
      if (cover > 0) this.surface.mix(this.#plot.x + at, y, color, Math.round(Math.min(1, cover) * 255));
    }
  }
}

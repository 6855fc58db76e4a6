import { bottom, rect, right, type Rect } from '../draw/rect.js';
import { disc, line } from '../draw/shapes.js';
import { Rate, readable, roundUp } from './rate.js';
import { fonts, light, palette } from './theme.js';
import { Window } from './window.js';

const READOUT_TICKS = 6;
/** The smallest scale of the chart, in bits per second, so that the traffic of a mouse move looks small. */
const LEAST_SCALE = 20_000;

/** The bytes that a tunnel has carried so far, from the browser and to the browser. */
export interface Carried {
  readonly bytesIn: number;
  readonly bytesOut: number;
}

interface Series {
  readonly label: string;
  readonly color: number;
  readonly tint: number;
  readonly rate: Rate;
  readonly total: (carried: Carried) => number;
  /** Bits per second, oldest first. */
  readonly values: number[];
  readonly left: number;
}

/** A chart of the tunnel's traffic, which moves a pixel to the left with every tick. */
export class Traffic extends Window {
  readonly #plot: Rect;
  readonly #readout: Rect;
  readonly #series: readonly Series[];
  readonly #carried: () => Carried;
  #ticks = 0;
  #scale = LEAST_SCALE;

  constructor(frame: Rect, carried: () => Carried) {
    super(frame, 'Traffic', palette.blue, light);
    this.#plot = rect(16, 94, frame.width - 62, frame.height - 112);
    this.#readout = rect(12, 40, frame.width - 24, 42);
    const values = () => new Array<number>(this.#plot.width).fill(0);
    const down = { label: 'To the browser', color: palette.blue, tint: 0.24, left: 16 };
    const up = { label: 'From the browser', color: palette.coral, tint: 0.14, left: 170 };
    this.#carried = carried;
    this.#series = [
      { ...down, rate: new Rate(), total: ({ bytesOut }) => bytesOut, values: values() },
      { ...up, rate: new Rate(), total: ({ bytesIn }) => bytesIn, values: values() },
    ];
    this.#drawScale();
    this.#drawReadout();
    this.#drawPlot();
  }

  override tick(now: number): void {
    const carried = this.#carried();
    for (const { values, rate, total } of this.#series) {
      values.shift();
      values.push(rate.next(now, total(carried)));
    }
    this.#ticks++;
    const most = Math.max(...this.#series.flatMap(({ values }) => values));
    const scale = roundUp(Math.max(LEAST_SCALE, most));
    if (scale !== this.#scale) {
      this.#scale = scale;
      this.#drawScale();
    }
    this.#drawPlot();
    if (this.#ticks % READOUT_TICKS === 0) this.#drawReadout();
  }

  #height(bits: number): number {
    return bottom(this.#plot) - 1 - (bits / this.#scale) * (this.#plot.height - 2);
  }

  #drawScale(): void {
    const { y, height } = this.#plot;
    const labels = rect(
      right(this.#plot) + 1,
      y - 8,
      this.surface.width - right(this.#plot) - 2,
      height + 16,
    );
    this.surface.fill(labels, light.body);
    for (const part of [0, 0.5, 1]) {
      const bits = part * this.#scale;
      const text = bits >= 1e6 ? `${bits / 1e6}M` : bits > 0 ? `${bits / 1e3}k` : '0';
      fonts.caption.draw(this.surface, labels.x + 7, Math.round(this.#height(bits)) + 4, text, palette.faint);
    }
    this.damage(labels);
  }

  #drawReadout(): void {
    this.surface.fill(this.#readout, light.body);
    for (const { label, color, values, left } of this.#series) {
      this.surface.shape(disc(left + 4, 52.5, 3.5), color);
      fonts.caption.draw(this.surface, left + 14, 56, label, palette.slate);
      const { figure, unit } = readable(values.at(-1) ?? 0);
      fonts.figures.draw(this.surface, left - 1, 78, figure, palette.ink);
      fonts.caption.draw(this.surface, left + fonts.figures.width(figure) + 4, 78, unit, palette.faint);
    }
    this.damage(this.#readout);
  }

  #drawPlot(): void {
    const plot = this.#plot;
    this.surface.fill(plot, light.body);
    for (const part of [0, 0.25, 0.5, 0.75, 1]) {
      const y = Math.round(this.#height(part * this.#scale));
      this.surface.fill(rect(plot.x, y, plot.width, 1), palette.grid);
    }
    for (const { values, color, tint } of this.#series) {
      values.forEach((value, at) => {
        const top = Math.ceil(this.#height(value));
        for (let y = top; y < bottom(plot); y++) {
          const fade = 1 - (y - plot.y) / plot.height;
          this.surface.mix(plot.x + at, y, color, Math.round(tint * (0.12 + fade) * 255));
        }
      });
      // One shape for each pair of columns would draw the joints twice: each column uses the nearest segment.
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

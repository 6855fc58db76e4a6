import { grow, type Rect } from '../draw/rect.js';
import { ring, roundBox } from '../draw/shapes.js';
import type { Surface } from '../draw/surface.js';
import type { Seat } from './seat.js';
import { fonts, palette } from './theme.js';

export class Button {
  #state: 'idle' | 'hover' | 'down' = 'idle';
  #holder: Seat | undefined;

  constructor(
    readonly frame: Rect,
    readonly label: string,
    private readonly surface: Surface,
    private readonly damaged: (part: Rect) => void,
    private readonly clicked: (seat: Seat) => void,
  ) {
    this.draw();
  }

  press(seat: Seat): void {
    this.#holder = seat;
    this.#become('down');
  }

  slide(inside: boolean, seat: Seat): void {
    if (this.#holder === seat) this.#become(inside ? 'down' : 'idle');
  }

  release(inside: boolean, seat: Seat): void {
    if (this.#holder !== seat) return;
    this.#holder = undefined;
    this.#become(inside ? 'hover' : 'idle');
    if (inside) this.clicked(seat);
  }

  hover(inside: boolean): void {
    if (this.#holder === undefined) this.#become(inside ? 'hover' : 'idle');
  }

  draw(): void {
    const fill = { idle: 0xf4f6f9, hover: 0xe9edf4, down: palette.blue }[this.#state];
    const edge = { idle: 0xd9dfe8, hover: 0xc9d1de, down: palette.blue }[this.#state];
    const color = this.#state === 'down' ? palette.white : palette.ink;
    const box = roundBox(this.frame, 7);
    this.surface.fill(this.frame, palette.white);
    this.surface.shape(box, fill);
    this.surface.shape(ring(box, 1), edge);
    const x = this.frame.x + Math.round((this.frame.width - fonts.text.width(this.label)) / 2);
    fonts.text.draw(this.surface, x, this.frame.y + Math.floor(this.frame.height / 2) + 4, this.label, color);
    this.damaged(grow(this.frame, 1));
  }

  #become(state: 'idle' | 'hover' | 'down'): void {
    if (state === this.#state) return;
    this.#state = state;
    this.draw();
  }
}

import { rect, type Rect } from '../draw/rect.js';
import { roundBox } from '../draw/shapes.js';
import { layout, TITLE_HEIGHT, within } from '../layout.js';
import { Button } from './button.js';
import { legible } from './rows.js';
import type { Seat } from './seat.js';
import { fonts, light, palette } from './theme.js';
import { Window } from './window.js';

const ROWS = 3;
const ROW = 17;
const CELL = 7;
const PAD = 10;

/** The window with the text that the desktop and its viewers exchange. */
export class Clipboard extends Window {
  readonly #well: Rect;
  #text = '';

  constructor(frame: Rect, paste: (text: string) => void) {
    super(frame, 'Clipboard', palette.amber, light);
    this.#well = rect(14, TITLE_HEIGHT + 12, frame.width - 28, ROWS * ROW + 16);
    const damaged = (part: Rect): void => this.damage(part);
    const button = (where: Rect, label: string, clicked: (seat: Seat) => void): Button =>
      new Button(within(layout.clipboard, where), label, this.surface, damaged, clicked);
    this.buttons.push(
      button(layout.copy, 'Copy to browser', (seat) => this.#give(seat)),
      button(layout.paste, 'Type in terminal', () => paste(this.#text)),
    );
    this.#draw('empty');
  }

  get text(): string {
    return this.#text;
  }

  /** Replaces the text. A viewer (`seat`) gets a copy for its clipboard. */
  put(text: string, seat?: Seat): void {
    this.#text = text;
    if (seat === undefined) this.#draw('received from a viewer');
    else this.#give(seat);
  }

  #give(seat: Seat): void {
    if (this.#text === '') return;
    seat.giveText(this.#text);
    this.#draw('copied to a viewer');
  }

  #draw(state: string): void {
    const { width } = this.surface;
    const well = this.#well;
    const note = this.#text === '' ? state : `${state}, ${this.#text.length} characters`;
    this.surface.fill(rect(120, 4, width - 130, TITLE_HEIGHT - 8), light.title);
    fonts.caption.draw(this.surface, width - 15 - fonts.caption.width(note), 21, note, palette.faint);
    this.surface.shape(roundBox(well, 7), 0xf4f6f9);
    const rows = this.#rows(Math.floor((well.width - 2 * PAD) / CELL));
    rows.forEach((row, at) => {
      const font = this.#text === '' ? fonts.text : fonts.mono;
      const color = this.#text === '' ? palette.faint : palette.ink;
      font.draw(this.surface, well.x + PAD, well.y + 20 + at * ROW, row, color);
    });
    this.damage(this.surface.bounds);
  }

  #rows(columns: number): string[] {
    if (this.#text === '') return ['Text that you send appears here.'];
    const visible = legible(this.#text.slice(0, columns * ROWS + 1));
    // Breaks the row at a blank if there is one, else anywhere.
    const row = new RegExp(`.{1,${columns}}(?= |$)|.{1,${columns}}`, 'g');
    const rows = visible
      .split('\n')
      .flatMap((line) => line.match(row)?.map((part) => part.trimStart()) ?? ['']);
    if (rows.length <= ROWS && visible.length >= this.#text.length) return rows;
    const last = (rows[ROWS - 1] ?? '').slice(0, columns - 3);
    return [...rows.slice(0, ROWS - 1), `${last}...`];
  }
}

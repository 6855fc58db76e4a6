import { rect, type Rect } from '../draw/rect.js';
import { roundBox } from '../draw/shapes.js';
import { TITLE_HEIGHT } from '../layout.js';
import { LineEditor } from './lineeditor.js';
import { legible, plain, wrap } from './rows.js';
import { answer, type Row } from './shell.js';
import { dark, fonts, palette, terminalColors as colors } from './theme.js';
import { Window } from './window.js';

const LEFT = 16;
const TOP = TITLE_HEIGHT + 12;
const ROW = 19;
const CELL = 8;
const PROMPT = 'guest@demo ~ $ ';
const BLINK = 530;
const MAX_ROWS = 400;
const MAX_PASTE = 2000;
const MAX_PASTED_LINES = 20;

export class Terminal extends Window {
  readonly #line = new LineEditor();
  readonly #columns: number;
  readonly #visible: number;
  readonly #drawn: string[] = [];
  #rows: Row[] = [];
  #scroll = 0;
  #typedAt = 0;
  #lastAnswer = '';
  #isStale = false;

  constructor(
    frame: Rect,
    private readonly name: string,
    private readonly since: number,
  ) {
    super(frame, 'Terminal', palette.mint, dark);
    this.#columns = Math.floor((frame.width - 2 * LEFT) / CELL);
    this.#visible = Math.floor((frame.height - TOP - 8) / ROW);
    this.#print([{ text: `Welcome to ${name}.`, color: colors.text }]);
    this.#print([
      { text: 'Type ', color: colors.dim },
      { text: 'help', color: colors.accent },
      { text: ' and press Enter.', color: colors.dim },
    ]);
    this.#print([]);
    this.#refresh(Date.now());
  }

  override tick(now: number): void {
    this.#refresh(now);
  }

  override wheel(rows: number): void {
    const most = Math.max(0, this.#rows.length + 1 - this.#visible);
    this.#scroll = Math.max(0, Math.min(this.#scroll - rows, most));
    this.#isStale = true;
  }

  /** Many keys may arrive between two updates, so the rows are laid out once for all of them. */
  override settle(): void {
    if (this.#isStale) this.#refresh(Date.now());
    this.#isStale = false;
  }

  type(text: string): void {
    this.#edit(() => this.#line.type(legible(text).replace(/\n/g, ' ')));
  }

  edit(key: 'BackSpace' | 'Delete' | 'Left' | 'Right' | 'Home' | 'End' | 'Up' | 'Down'): void {
    const line = this.#line;
    this.#edit(
      {
        BackSpace: () => line.erase('before'),
        Delete: () => line.erase('after'),
        Left: () => line.move(line.caret - 1),
        Right: () => line.move(line.caret + 1),
        Home: () => line.move(0),
        End: () => line.move(line.text.length),
        Up: () => line.recall(-1),
        Down: () => line.recall(1),
      }[key],
    );
  }

  enter(): void {
    this.#edit(() => {
      const typed = this.#line.text;
      this.#print(this.#prompt(typed));
      this.#line.enter();
      if (typed.trim() === 'clear') {
        this.#clear();
        return;
      }
      const rows = answer(typed, { name: this.name, since: this.since, history: this.#line.history });
      for (const row of rows) this.#print(row);
      if (rows.length > 0) this.#lastAnswer = rows.map(plain).join('\n');
    });
  }

  paste(text: string): void {
    const [first = '', ...lines] = legible(text.slice(0, MAX_PASTE)).split('\n');
    this.type(first);
    for (const line of lines.slice(0, MAX_PASTED_LINES)) {
      this.enter();
      this.type(line);
    }
  }

  clear(): void {
    this.#edit(() => this.#clear());
  }

  eraseLine(): void {
    this.#edit(() => this.#line.set(''));
  }

  /** The text that Ctrl+C copies: the current line, or the last answer if the line is empty. */
  get copyable(): string {
    return this.#line.text === '' ? this.#lastAnswer : this.#line.text;
  }

  #prompt(typed: string): Row {
    return [
      { text: PROMPT, color: colors.prompt },
      { text: typed, color: colors.text },
    ];
  }

  #clear(): void {
    this.#rows = [];
  }

  #print(row: Row): void {
    this.#rows.push(...wrap(row, this.#columns));
    if (this.#rows.length > MAX_ROWS) this.#rows = this.#rows.slice(-MAX_ROWS);
  }

  #edit(change: () => void): void {
    change();
    this.#scroll = 0;
    this.#typedAt = Date.now();
    this.#isStale = true;
  }

  #refresh(now: number): void {
    // The caret may be after the last character: the added blank makes a row for the caret.
    const input = wrap(this.#prompt(`${this.#line.text} `), this.#columns);
    const all = [...this.#rows, ...input];
    const start = Math.max(0, all.length - this.#visible - this.#scroll);
    const isLit = Math.floor((now - this.#typedAt) / BLINK) % 2 === 0;
    const place = PROMPT.length + this.#line.caret;
    const caretRow = this.#rows.length + Math.floor(place / this.#columns) - start;
    for (let at = 0; at < this.#visible; at++) {
      const row = all[start + at] ?? [];
      this.#drawRow(at, row, isLit && at === caretRow ? place % this.#columns : -1);
    }
  }

  #drawRow(at: number, row: Row, caret: number): void {
    const key = `${caret} ${row.map((span) => `${span.color} ${span.text}`).join('|')}`;
    if (this.#drawn[at] === key) return;
    this.#drawn[at] = key;
    const y = TOP + at * ROW;
    const where = rect(LEFT, y, this.#columns * CELL, ROW);
    this.surface.fill(where, dark.body);
    let x = LEFT;
    for (const { text, color } of row) x = fonts.terminal.draw(this.surface, x, y + 13, text, color);
    if (caret >= 0) {
      const block = rect(LEFT + caret * CELL, y + 1, CELL, ROW - 3);
      this.surface.shape(roundBox(block, 2), colors.cursor);
      fonts.terminal.draw(this.surface, block.x, y + 13, plain(row)[caret] ?? ' ', dark.body);
    }
    this.damage(where);
  }
}

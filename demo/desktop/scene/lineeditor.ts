const MAX_LINE = 400;
const MAX_HISTORY = 100;

/** A line of text with a caret, and the history. */
export class LineEditor {
  text = '';
  caret = 0;
  readonly history: string[] = [];
  #recalled = 0;

  type(text: string): void {
    const room = text.slice(0, MAX_LINE - this.text.length);
    this.text = this.text.slice(0, this.caret) + room + this.text.slice(this.caret);
    this.caret += room.length;
  }

  /** Removes the character before the caret, or after it. */
  erase(where: 'before' | 'after'): void {
    const at = where === 'before' ? this.caret - 1 : this.caret;
    if (at < 0) return;
    this.text = this.text.slice(0, at) + this.text.slice(at + 1);
    this.caret = at;
  }

  move(to: number): void {
    this.caret = Math.max(0, Math.min(to, this.text.length));
  }

  set(text: string): void {
    this.text = text;
    this.caret = text.length;
  }

  recall(step: -1 | 1): void {
    this.#recalled = Math.max(0, Math.min(this.#recalled + step, this.history.length));
    this.set(this.history[this.#recalled] ?? '');
  }

  /** Ends the line and returns it. */
  enter(): string {
    const line = this.text;
    if (line.trim() !== '' && line !== this.history.at(-1)) this.history.push(line);
    if (this.history.length > MAX_HISTORY) this.history.shift();
    this.#recalled = this.history.length;
    this.set('');
    return line;
  }
}

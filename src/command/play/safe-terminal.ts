/**
 * Passes text and the sequences for colours, cursor and screens to a terminal, and drops all other control characters and sequences. A
 * server, or a user of the server, chose the bytes of a recording: in a terminal they could set the clipboard (OSC 52), change keys and
 * titles, write files, or make the terminal send an answer, which the shell would read as typed commands.
 */
export class SafeTerminal {
  /** The alternate screen is shown. */
  isAlternate = false;
  #state: 'text' | 'escape' | 'charset' | 'intermediate' | 'csi' | 'string' | 'stringEscape' = 'text';
  /** The text after `ESC [`, or the character after ESC that chooses a character set. */
  #sequence = '';
  readonly #decoder = new TextDecoder();

  /** The safe part. A sequence or character that is not complete is kept for the next call. */
  pass(bytes: Uint8Array): string {
    let safe = '';
    for (const character of this.#decoder.decode(bytes, { stream: true })) safe += this.#next(character);
    return safe;
  }

  /** Sequences that restore the terminal. */
  reset(): string {
    // 1049 also moves the cursor, and is sent only if the alternate screen is shown. A soft reset (`!p`) keeps reversed colours, CR LF for Enter (20), the
    // cursor's shape, and, on the console of Linux, line drawing in place of letters.
    return `${this.isAlternate ? '\u001b[?1049l' : ''}\u001b[!p\u000f\u001b(B\u001b[?5l\u001b[20l\u001b[0 q\u001b[0m\u001b[?7h\u001b[?25h\r\n`;
  }

  #next(character: string): string {
    // A new escape, and CAN and SUB, end any sequence (ECMA-48, VT500).
    if (character === '\u001b') {
      this.#state = this.#isInString() ? 'stringEscape' : 'escape';
      return '';
    }
    if (character === '\u0018' || character === '\u001a') {
      this.#state = 'text';
      return '';
    }
    switch (this.#state) {
      case 'text':
        return isSafe(character) ? character : this.#c1(character);
      case 'escape':
        return this.#escape(character);
      case 'charset':
        this.#state = 'text';
        return /[0AB]/.test(character) ? `\u001b${this.#sequence}${character}` : '';
      case 'intermediate':
        if (!/[ -/]/.test(character)) this.#state = 'text';
        return '';
      case 'csi':
        return this.#csi(character);
      case 'string':
        if (character === '\u0007' || character === '\u009c') this.#state = 'text';
        return '';
      case 'stringEscape':
        // ESC \ ends the string; any other escape begins a new sequence.
        this.#state = 'text';
        return character === '\\' ? '' : this.#escape(character);
    }
  }

  #isInString(): boolean {
    return this.#state === 'string' || this.#state === 'stringEscape';
  }

  /** One-character forms of CSI and of the strings. */
  #c1(character: string): string {
    if (character === '\u009b') this.#begin('csi', '');
    if (/[\u0090\u0098\u009d-\u009f]/.test(character)) this.#state = 'string';
    return '';
  }

  #escape(character: string): string {
    this.#state = 'text';
    if (character === '[') this.#begin('csi', '');
    else if (/[P\]X^_k]/.test(character)) this.#state = 'string';
    else if (/[()*+]/.test(character)) this.#begin('charset', character);
    // Other sequences with intermediate characters, such as `ESC # 8`, are dropped with their final character.
    else if (/[ -/]/.test(character)) this.#state = 'intermediate';
    else if (/[78DEMH=>]/.test(character)) return `\u001b${character}`;
    return '';
  }

  #csi(character: string): string {
    // A control character inside of a sequence acts at once.
    if (character < ' ') return isSafe(character) ? character : '';
    if (/[ -?]/.test(character)) {
      // Real sequences are short: memory for a longer one is not needed.
      if (this.#sequence.length < 128) this.#sequence += character;
      return '';
    }
    this.#state = 'text';
    const sequence = this.#sequence + character;
    if (!SAFE_SEQUENCE.test(sequence) && !SAFE_MODE.test(sequence)) return '';
    const [, on] = /^\?(?:.*;)?(?:47|1047|1049)(?:;.*)?([hl])$/.exec(sequence) ?? [];
    if (on !== undefined) this.isAlternate = on === 'h';
    return `\u001b[${sequence}`;
  }

  #begin(state: 'csi' | 'charset', sequence: string): void {
    this.#state = state;
    this.#sequence = sequence;
  }
}

/** Moves, erasing, inserting, scrolling, colours, margins, tabs, the saved cursor, and the cursor's shape: sequences without an answer. */
const SAFE_SEQUENCE = /^(?:[\d;:]*[A-MPSTXZ`abdefgmrsu@]|\?\d*[JK]|\d* q)$/;

/**
 * Insert; origin, wrapping, blinking, the cursor, the alternate screen. The modes for mouse, bracketed paste and focus reports are missing,
 * because they make the terminal send input.
 */
const SAFE_MODE = /^(?:4|20|\?(?:[567]|12|25|47|1047|1048|1049)(?:;(?:[567]|12|25|47|1047|1048|1049))*)[hl]$/;

/** Printable characters, and BEL, BS, TAB, LF, VT, FF, CR, SO and SI. */
function isSafe(character: string): boolean {
  return (
    character >= '\u00a0' ||
    (character >= ' ' && character <= '~') ||
    (character >= '\u0007' && character <= '\u000f')
  );
}

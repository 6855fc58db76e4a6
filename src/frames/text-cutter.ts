import { Utf8Checker, wholeCharacters } from './utf8.js';

/** Cuts bytes into the payloads of text frames: each payload ends on a whole character, and the rest begins the next payload. */
export class TextCutter {
  readonly #checker = new Utf8Checker();
  /** The start of a character whose end has not arrived. */
  #rest: Buffer = Buffer.alloc(0);
  /** False after a byte that can't be UTF-8. */
  isValid = true;

  /** False if the bytes so far end inside a character. */
  get isComplete(): boolean {
    return this.#checker.complete;
  }

  /** The next payload: the rest and these bytes, up to the last whole character. Bytes before an invalid byte are part of the payload. */
  cut(bytes: Buffer): Buffer {
    this.isValid = this.#checker.push(bytes);
    const good = this.isValid ? bytes : bytes.subarray(0, this.#checker.good);
    const whole = this.#rest.length === 0 ? good : Buffer.concat([this.#rest, good]);
    const end = wholeCharacters(whole);
    this.#rest = Buffer.from(whole.subarray(end));
    return whole.subarray(0, end);
  }
}

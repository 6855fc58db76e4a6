import { Utf8Checker, wholeCharacters } from './utf8.js';

/** Cuts bytes into the payloads of text frames: each ends on a whole character, and the rest opens the next one. */
export class TextCutter {
  readonly #checker = new Utf8Checker();
  /** The beginning of a character whose end has not come. */
  #rest: Buffer = Buffer.alloc(0);
  /** False once a byte can't be UTF-8. */
  isValid = true;

  /** False where the bytes so far end inside a character. */
  get isComplete(): boolean {
    return this.#checker.complete;
  }

  /** The payload that these bytes make possible. Bytes before an invalid one are part of it. */
  cut(bytes: Buffer): Buffer {
    this.isValid = this.#checker.push(bytes);
    const good = this.isValid ? bytes : bytes.subarray(0, this.#checker.good);
    const whole = this.#rest.length === 0 ? good : Buffer.concat([this.#rest, good]);
    const end = wholeCharacters(whole);
    this.#rest = Buffer.from(whole.subarray(end));
    return whole.subarray(0, end);
  }
}

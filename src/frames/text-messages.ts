/** Bytes. A message with the size of a window has a few dozen; each message is kept in memory until its end. */
export const MAX_MESSAGE = 4096;

/** A text message of the peer that is not payload. */
export interface TextMessage {
  readonly text: string;
  /** The number of payload bytes of the same chunk that came before the end of the message. */
  readonly after: number;
}

/** Collects the text messages of a peer, whose bytes are known to be UTF-8. Only an incomplete message is kept between two chunks. */
export class TextMessages {
  /** The complete messages of the current chunk; undefined if there are none. */
  #complete: TextMessage[] | undefined;
  /** The start of the current message. Undefined between chunks unless a message is incomplete. */
  #bytes: Buffer | undefined;
  #length = 0;

  /** Is there room for so many more bytes in the current message? */
  fits(length: number): boolean {
    return this.#length + length <= MAX_MESSAGE;
  }

  /** Adds bytes to the current message. The bytes are copied: the decoder overwrites them. */
  add(bytes: Buffer): void {
    this.#bytes ??= Buffer.allocUnsafeSlow(MAX_MESSAGE);
    this.#length += bytes.copy(this.#bytes, this.#length);
  }

  /** Ends the current message. `after`: see {@link TextMessage}. */
  end(after: number): void {
    const text = this.#bytes?.toString('utf8', 0, this.#length) ?? '';
    this.#length = 0;
    (this.#complete ??= []).push({ text, after });
  }

  /** Returns the complete messages of the current chunk, once. */
  take(): readonly TextMessage[] | undefined {
    const complete = this.#complete;
    this.#complete = undefined;
    if (this.#length === 0) this.#bytes = undefined;
    return complete;
  }
}

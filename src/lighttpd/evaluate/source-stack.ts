import { resolve } from 'node:path';
import { failAt, MAX_CONFIGURATION_LENGTH, stopAt, type Place, type Source } from '../syntax/source.js';

const MAX_INCLUDE_DEPTH = 16;

/** The sources that are open during an evaluation: each source includes the next one. */
export class SourceStack {
  readonly #open: Source[] = [];
  /** Characters of all sources so far, closed sources too. */
  #length = 0;

  /** Opens a source that is included at `place`. */
  push(source: Source, place: Place): void {
    this.#length += source.text.length;
    if (this.#length > MAX_CONFIGURATION_LENGTH)
      stopAt(place, `the configuration has more than ${MAX_CONFIGURATION_LENGTH} characters`);
    this.#open.push(source);
    if (this.#open.length > MAX_INCLUDE_DEPTH)
      stopAt(place, `includes are nested more than ${MAX_INCLUDE_DEPTH} deep`);
  }

  pop(): void {
    this.#open.pop();
  }

  /** Without this check, a second reading of the file would report its first assignment as a repeated one. */
  checkLoop({ name, text }: Source, place: Place): void {
    const isSame = (one: Source) => one.text === text && resolve(one.name) === resolve(name);
    const first = this.#open.findIndex(isSame);
    if (first === -1) return;
    const names = [...this.#open.slice(first).map((one) => one.name), name];
    failAt(place, `files include each other in a loop: ${names.join(' -> ')}`);
  }
}

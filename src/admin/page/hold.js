// When rows must keep their place: while the pointer aims, while a button is pressed, while the keyboard is in the list, and while text
// is selected. Otherwise a click could end another tunnel than the one it was meant for.
import { hasSelection } from './dom.js';

/** Milliseconds without a move after which the pointer no longer holds the rows. */
const AIM = 2500;
/** Milliseconds after a release: the click follows the release. */
const AFTER = 400;

export class Hold {
  #body;
  #pressed = false;
  #until = 0;

  constructor(body) {
    this.#body = body;
    const aim = ({ pointerType }) => {
      if (pointerType === 'mouse') this.#until = performance.now() + AIM;
    };
    body.addEventListener('pointermove', aim, { passive: true });
    body.addEventListener('pointerdown', () => (this.#pressed = true), { passive: true });
    body.addEventListener('pointerleave', () => {
      if (!this.#pressed) this.#until = 0;
    });
    for (const name of ['pointerup', 'pointercancel'])
      window.addEventListener(name, () => {
        if (this.#pressed) this.#until = performance.now() + AFTER;
        this.#pressed = false;
      });
    // A release outside of the window.
    window.addEventListener('blur', () => (this.#pressed = false));
  }

  /** The reason as words, or undefined. */
  get reason() {
    if (this.#pressed || performance.now() < this.#until) return 'while you point at it';
    if (hasSelection(this.#body)) return 'while text is selected';
    if (this.#body.querySelector(':focus-visible') !== null) return 'while the keyboard is in it';
    return undefined;
  }
}

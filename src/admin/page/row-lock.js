// Rows keep their places while the pointer moves over the list or presses a button, while the list has the keyboard focus, and while
// text is selected. Otherwise a row could move just before a click, and the click would end another tunnel.
import { hasSelection } from './dom.js';

/** Milliseconds after the last move of the pointer until the rows may move. */
const AIM = 2500;
/** Milliseconds after the release of a button, since the click follows the release. */
const AFTER = 400;

export class RowLock {
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

  /** The reason in words; undefined if rows may move. */
  get reason() {
    if (this.#pressed || performance.now() < this.#until) return 'while you point at it';
    if (hasSelection(this.#body)) return 'while text is selected';
    if (this.#body.querySelector(':focus-visible') !== null) return 'while it has the focus';
    return undefined;
  }
}

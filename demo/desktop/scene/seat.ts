import type { Window } from './window.js';

/** What one viewer holds in hand. */
export interface Seat {
  x: number;
  y: number;
  buttons: number;
  control: boolean;
  grip:
    | { readonly window: Window; readonly moves: boolean; readonly dx: number; readonly dy: number }
    | undefined;
  /** Puts text on this viewer's own clipboard. */
  readonly giveText: (text: string) => void;
}

export const takeSeat = (giveText: (text: string) => void): Seat => ({
  x: 0,
  y: 0,
  buttons: 0,
  control: false,
  grip: undefined,
  giveText,
});

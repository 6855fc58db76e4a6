/** A viewer, as windows and buttons know it: who holds a button or a pen, and who gets copied text. */
export interface Seat {
  /** Puts text on this viewer's clipboard. */
  readonly giveText: (text: string) => void;
}

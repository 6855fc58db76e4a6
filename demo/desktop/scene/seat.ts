/** A viewer, as windows and buttons see it: the holder of a button or a pen, and the receiver of copied text. */
export interface Seat {
  /** Puts text on the viewer's clipboard. */
  readonly giveText: (text: string) => void;
}

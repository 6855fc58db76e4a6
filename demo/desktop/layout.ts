import { rect, right, type Rect } from './draw/rect.js';

export const DEFAULT_SIZE = { width: 1024, height: 640 } as const;
export const BAR_HEIGHT = 30;
export const TITLE_HEIGHT = 34;

export interface Layout {
  readonly bar: Rect;
  readonly terminal: Rect;
  readonly traffic: Rect;
  readonly sketch: Rect;
  readonly clipboard: Rect;
  /** Inside the sketch window: the paper, the swatches of the colours, and the button that clears the paper. */
  readonly canvas: Rect;
  readonly swatches: readonly Rect[];
  readonly clear: Rect;
  /** Inside the clipboard window: the buttons that send the text to the viewer and into the terminal. */
  readonly copy: Rect;
  readonly paste: Rect;
}

export const PAPER_MARGIN = 14;
const TOOLBAR_HEIGHT = 44;
const SWATCHES = 6;

const terminal = rect(40, 62, 536, 344);
const traffic = rect(604, 62, 380, 226);
const sketch = rect(604, 316, 380, 288);
const clipboard = rect(40, 434, 376, 170);

/** The initial positions, on a screen of the default size. */
export const layout: Layout = {
  bar: rect(0, 0, DEFAULT_SIZE.width, BAR_HEIGHT),
  terminal,
  traffic,
  sketch,
  clipboard,
  canvas: rect(
    sketch.x + PAPER_MARGIN,
    sketch.y + TITLE_HEIGHT + TOOLBAR_HEIGHT,
    sketch.width - 2 * PAPER_MARGIN,
    sketch.height - TITLE_HEIGHT - TOOLBAR_HEIGHT - PAPER_MARGIN,
  ),
  swatches: Array.from({ length: SWATCHES }, (_, at) =>
    rect(sketch.x + PAPER_MARGIN + at * 32, sketch.y + TITLE_HEIGHT + 10, 24, 24),
  ),
  clear: rect(right(sketch) - PAPER_MARGIN - 64, sketch.y + TITLE_HEIGHT + 9, 64, 26),
  copy: rect(clipboard.x + 14, clipboard.y + clipboard.height - 40, 148, 26),
  paste: rect(clipboard.x + 172, clipboard.y + clipboard.height - 40, 148, 26),
};

/** `inner` (of `layout`) in the coordinates of its window. */
export const within = (frame: Rect, inner: Rect): Rect =>
  rect(inner.x - frame.x, inner.y - frame.y, inner.width, inner.height);

/** Moves a window of the default layout onto a screen of another size. */
export function fit(frame: Rect, width: number, height: number): Rect {
  const dx = Math.max(0, Math.floor((width - DEFAULT_SIZE.width) / 2));
  const dy = Math.max(0, Math.floor((height - DEFAULT_SIZE.height) / 2));
  const x = Math.max(0, Math.min(frame.x + dx, width - frame.width));
  const y = Math.max(BAR_HEIGHT, Math.min(frame.y + dy, height - frame.height));
  return rect(x, y, frame.width, frame.height);
}

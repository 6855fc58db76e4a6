// Small charts of rates. Canvas: one draw a second costs less than a change of the document, and CSP forbids style attributes.

/** The values kept for one chart: a minute. */
export const LENGTH = 60;

/** The last values of one rate, in a ring. */
export class History {
  #values = new Float32Array(LENGTH);
  #next = 0;
  #length = 0;

  add(value) {
    this.#values[this.#next] = value;
    this.#next = (this.#next + 1) % LENGTH;
    this.#length = Math.min(LENGTH, this.#length + 1);
  }

  get length() {
    return this.#length;
  }

  /** Value 0 is the oldest. */
  at(index) {
    return this.#values[(this.#next - this.#length + index + LENGTH) % LENGTH];
  }

  get greatest() {
    let greatest = 0;
    for (let index = 0; index < this.#length; index++) greatest = Math.max(greatest, this.at(index));
    return greatest;
  }
}

/** Below this rate (bytes per second) a chart does not fill its height: noise would look like load. */
const FLOOR = 1000;

/** Charts that show only the base line, since all of their values are zero. */
let idle = new WeakSet();

/** Draws the values with the newest at the right edge, in the colour of the canvas. */
export function draw(canvas, history, filled = false) {
  const { greatest } = history;
  if (greatest === 0 && idle.has(canvas)) return;
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0) return;
  const ratio = window.devicePixelRatio;
  const [columns, lines] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (canvas.width !== columns) canvas.width = columns;
  if (canvas.height !== lines) canvas.height = lines;
  const context = canvas.getContext('2d');
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  const colour = colourOf(canvas);
  context.fillStyle = colour;
  // The base line, even of a chart with few values.
  context.globalAlpha = 0.3;
  context.fillRect(1, height - 1, width - 2, 1);
  context.globalAlpha = 1;
  if (greatest === 0) idle.add(canvas);
  else idle.delete(canvas);
  if (greatest === 0 || history.length < 2) return;
  const step = (width - 2) / (LENGTH - 1);
  const scale = (height - 3.5) / Math.max(FLOOR, greatest);
  const left = width - 1 - step * (history.length - 1);
  context.beginPath();
  for (let index = 0; index < history.length; index++)
    context.lineTo(left + index * step, height - 2 - history.at(index) * scale);
  context.strokeStyle = colour;
  context.lineWidth = 1.25;
  context.lineJoin = 'round';
  context.stroke();
  if (!filled) return;
  context.lineTo(width - 1, height);
  context.lineTo(left, height);
  context.globalAlpha = 0.14;
  context.fill();
  context.globalAlpha = 1;
}

/** getComputedStyle is slow: one call for all charts of a class, until the colours of the page change. */
const colours = new Map();
window.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  colours.clear();
  idle = new WeakSet();
});

function colourOf(canvas) {
  const known = colours.get(canvas.className);
  if (known !== undefined) return known;
  const { color } = window.getComputedStyle(canvas);
  colours.set(canvas.className, color);
  return color;
}

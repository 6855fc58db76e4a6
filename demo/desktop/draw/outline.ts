export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Outline {
  readonly strokes: readonly (readonly Point[])[];
  readonly dots: readonly Point[];
  /** The positions of stems, bars and the extremes of curves, which the font puts on whole pixels. */
  readonly stems: readonly number[];
  readonly bars: readonly number[];
}

/** Degrees between two points of a flattened arc. */
const STEP = 15;
/** Above 2, a curve is squarer than an ellipse and easier to read at small sizes. */
const SQUARENESS = 2.3;

function onArc(cx: number, cy: number, rx: number, ry: number, degrees: number): Point {
  const bend = (value: number): number =>
    Math.abs(value) < 1e-9 ? 0 : Math.sign(value) * Math.abs(value) ** (2 / SQUARENESS);
  const angle = (degrees * Math.PI) / 180;
  return { x: cx + rx * bend(Math.cos(angle)), y: cy + ry * bend(Math.sin(angle)) };
}

const numbers = (text: string): number[] => text.split(',').map(Number);

/** Reads the notation of glyphs.ts. */
export function outline(notation: string): Outline {
  const strokes: Point[][] = [];
  const dots: Point[] = [];
  const stems: number[] = [];
  const bars: number[] = [];
  for (const part of notation.split(';')) {
    const stroke: Point[] = [];
    for (const token of part.trim().split(' ')) {
      const [a = 0, b = 0, rx = 0, ry = 0, from = 0, to = 0] = numbers(token.replace(/^[@*]/, ''));
      if (token.startsWith('*')) {
        dots.push({ x: a, y: b });
        stems.push(a);
        bars.push(b);
      } else if (token.startsWith('@')) {
        const steps = Math.max(2, Math.ceil(Math.abs(to - from) / STEP));
        for (let step = 0; step <= steps; step++) {
          stroke.push(onArc(a, b, rx, ry, from + ((to - from) * step) / steps));
        }
        for (let turn = -90; turn <= 540; turn += 90) {
          if (turn < Math.min(from, to) || turn > Math.max(from, to)) continue;
          const extreme = onArc(a, b, rx, ry, turn);
          if (turn % 180 === 0) stems.push(extreme.x);
          else bars.push(extreme.y);
        }
      } else {
        const last = stroke.at(-1);
        if (last?.x === a) stems.push(a);
        if (last?.y === b) bars.push(b);
        stroke.push({ x: a, y: b });
      }
    }
    if (stroke.length > 0) strokes.push(stroke);
  }
  const all = [...strokes.flat(), ...dots];
  const xs = all.map((point) => point.x);
  const ys = all.map((point) => point.y);
  stems.push(Math.min(...xs), Math.max(...xs));
  bars.push(Math.min(...ys), Math.max(...ys));
  return { strokes, dots, stems, bars };
}

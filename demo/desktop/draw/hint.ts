/**
 * A map from the font's grid to pixels: puts each of `lines` on the middle of a pixel and stretches the space in between, so that
 * stems and bars are one crisp column or row. `origin` is the grid position of pixel 0. With `balanced`, a line in the exact middle
 * stays there: both halves get the same number of pixels.
 */
export function hint(
  lines: readonly number[],
  origin: number,
  scale: number,
  balanced: boolean,
): (value: number) => number {
  const sorted = [...new Set(lines.map((value) => Math.round(value * 100) / 100))].sort((a, b) => a - b);
  const first = sorted[0] ?? 0;
  const last = sorted.at(-1) ?? 0;
  const middle = (first + last) / 2;
  const snap = (value: number): number => Math.round((value - origin) * scale);
  const hasMiddle = balanced && last > first && sorted.some((value) => Math.abs(value - middle) < 0.05);
  const place = (value: number): number =>
    hasMiddle && value === last ? 2 * snap(middle) - snap(first) : snap(value);
  const knots = sorted.map((value) => ({ from: value, to: place(value) + 0.5 }));
  return (value) => {
    const above = knots.findIndex((knot) => knot.from >= value - 0.006);
    const next = knots[above];
    const before = knots[above - 1];
    if (next === undefined) return (knots.at(-1)?.to ?? 0.5) + (value - last) * scale;
    if (before === undefined || Math.abs(next.from - value) <= 0.006) {
      return next.to + (value - next.from) * scale;
    }
    return before.to + ((value - before.from) / (next.from - before.from)) * (next.to - before.to);
  };
}

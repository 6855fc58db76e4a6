export function slopeOf(points: readonly (readonly [number, number])[]): number;

export function fits(
  samples: readonly { at: number; isQuiet: boolean }[],
): { name: string; isFlat: boolean }[];

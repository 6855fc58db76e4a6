// The verdict on the samples of a run. A quiet sample is taken while no client has a tunnel: growth is then a leak or a cache.

/** The largest growth of each sampled value over the fitted part of a run. Memory in bytes, above the noise of the garbage collector. */
const BOUNDS = {
  heapUsed: 1_500_000,
  external: 1_500_000,
  rss: 12_000_000,
  descriptors: 0.9,
  handles: 0.9,
  timers: 0.9,
  redisConnections: 0.9,
  commandRss: 24_000_000,
  commandDescriptors: 0.9,
};

/** Fewer quiet samples in the last three quarters are too few for a slope. */
const FEWEST = 6;

/** The least-squares line through points of [seconds, value]. */
export function slopeOf(points) {
  const mean = (at) => points.reduce((sum, point) => sum + point[at], 0) / points.length;
  const [x, y] = [mean(0), mean(1)];
  let above = 0;
  let below = 0;
  for (const [at, value] of points) {
    above += (at - x) * (value - y);
    below += (at - x) ** 2;
  }
  return below === 0 ? 0 : above / below;
}

/** Rows of { name, first, last, slope (per hour), growth, bound, isFlat }, of the last three quarters; empty for a run that is too short. */
export function fits(samples) {
  const end = samples.at(-1)?.at ?? 0;
  const quiet = samples.filter(({ isQuiet, at }) => isQuiet && at >= end / 4);
  if (quiet.length < FEWEST) return [];
  const span = quiet.at(-1).at - quiet[0].at;
  return Object.entries(BOUNDS).map(([name, bound]) => {
    const slope = slopeOf(quiet.map((sample) => [sample.at, sample[name]]));
    const growth = slope * span;
    return {
      name,
      first: quiet[0][name],
      last: quiet.at(-1)[name],
      slope: slope * 3600,
      growth,
      bound,
      isFlat: growth <= bound,
    };
  });
}

const text = (value) =>
  Math.abs(value) >= 100_000 ? `${(value / 1e6).toFixed(2)} M` : String(Math.round(value * 100) / 100);

/** The rows as readable lines. */
export function report(rows) {
  return rows.map(
    ({ name, first, last, slope, growth, bound, isFlat }) =>
      `${isFlat ? 'flat ' : 'GROWS'} ${name}: ${text(first)} to ${text(last)}, ${text(slope)} per hour, ` +
      `${text(growth)} over the fitted part (bound ${text(bound)})`,
  );
}

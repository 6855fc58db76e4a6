import type { HostState } from '../types.js';

/** Lists that functions gave, of which the place is remembered. */
const MAX_LISTS = 1000;

interface Round {
  /** Each host as often as its weight, evenly apart. */
  readonly turns: readonly string[];
  last: number;
}

/** Whose turn it is in each list. A list that is another array each time is known by its hosts. */
export class Rotation {
  readonly #byList = new WeakMap<readonly HostState[], Round>();
  readonly #byNames = new Map<string, Round>();

  /** The next of `all` that is in `up`. */
  next(all: readonly HostState[], up: ReadonlySet<HostState>): HostState | undefined {
    const round = this.#roundOf(all);
    const byId = new Map(Array.from(up, (host) => [host.id, host]));
    const { turns } = round;
    for (let step = 1; step <= turns.length; step++) {
      const place = (round.last + step) % turns.length;
      const host = byId.get(turns[place] ?? '');
      if (!host) continue;
      round.last = place;
      return host;
    }
    return undefined;
  }

  #roundOf(all: readonly HostState[]): Round {
    const known = this.#byList.get(all);
    if (known) return known;
    const name = JSON.stringify(all.map(({ id, host: { weight = 1 } }) => [id, weight]));
    const round = this.#byNames.get(name) ?? { turns: turnsOf(all), last: -1 };
    // The list used longest ago goes first.
    this.#byNames.delete(name);
    this.#byNames.set(name, round);
    if (this.#byNames.size > MAX_LISTS)
      for (const [oldest] of this.#byNames) {
        this.#byNames.delete(oldest);
        break;
      }
    this.#byList.set(all, round);
    return round;
  }
}

/** A host of weight w has its turns at (k + 1/2) / w: with equal weights that is the configured order. */
function turnsOf(all: readonly HostState[]): string[] {
  const turns = all.flatMap(({ id, host: { weight = 1 } }) =>
    Array.from({ length: weight }, (_, k) => ({ id, at: (k + 0.5) / weight })),
  );
  return turns.sort((a, b) => a.at - b.at).map(({ id }) => id);
}

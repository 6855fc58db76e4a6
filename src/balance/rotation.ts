import type { HostState } from '../types.js';

/** Limit of the lists whose position is remembered, for lists returned by functions. */
const MAX_LISTS = 1000;

interface Round {
  /** The ids of the hosts. Each host appears as often as its weight, at even distances. */
  readonly turns: readonly string[];
  last: number;
}

/** The position of round-robin in each list of hosts. A function may return a new array each time: equal hosts identify such a list. */
export class Rotation {
  readonly #byList = new WeakMap<readonly HostState[], Round>();
  readonly #byNames = new Map<string, Round>();

  /** The next host of `all` in `up`; undefined if `up` has no host of `all`. */
  next(all: readonly HostState[], up: ReadonlySet<HostState>): HostState | undefined {
    const round = this.#roundOf(all);
    const byId = new Map(Array.from(up, (host) => [host.id, host]));
    const { turns } = round;
    for (let step = 1; step <= turns.length; step++) {
      const position = (round.last + step) % turns.length;
      const host = byId.get(turns[position] ?? '');
      if (!host) continue;
      round.last = position;
      return host;
    }
    return undefined;
  }

  #roundOf(all: readonly HostState[]): Round {
    const known = this.#byList.get(all);
    if (known) return known;
    const name = JSON.stringify(all.map(({ id, host: { weight = 1 } }) => [id, weight]));
    const round = this.#byNames.get(name) ?? { turns: turnsOf(all), last: -1 };
    // The map is ordered by last use: the least recently used list is removed first.
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

/** A host of weight w has turns at (k + 1/2) / w: with equal weights this is the order of the options. */
function turnsOf(all: readonly HostState[]): string[] {
  const turns = all.flatMap(({ id, host: { weight = 1 } }) =>
    Array.from({ length: weight }, (_, k) => ({ id, at: (k + 0.5) / weight })),
  );
  return turns.sort((a, b) => a.at - b.at).map(({ id }) => id);
}

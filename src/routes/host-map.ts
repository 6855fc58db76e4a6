import type { Notation } from './path-notation.js';

/** A checked map of the option `server` (lighttpd: `wstunnel.server`): the keys in order, each with hosts. */
export class CompiledHostMap<Hosts> {
  readonly #entries: readonly (readonly [string, Hosts])[];
  readonly #notation: Notation | undefined;

  /** With lighttpd's notation, a key may end inside a segment: `/vnc` matches `/vncx` as well. */
  constructor(entries: readonly (readonly [string, Hosts])[], notation?: Notation) {
    this.#entries = entries;
    this.#notation = notation;
  }

  get lists(): readonly Hosts[] {
    return this.#entries.map(([, hosts]) => hosts);
  }

  /** Searches `mapExtensions`, then takes the first matching key, as lighttpd's `gw_check_extension` does. */
  hostsOf(path: string, mapExtensions: Readonly<Record<string, string>> | undefined): Hosts | undefined {
    const text = this.#notation ? this.#notation.read(path) : path;
    const mapped = Object.entries(mapExtensions ?? {}).find(([ending]) => text.endsWith(ending))?.[1];
    const named = this.#entries.find(([key]) => key === mapped);
    return (named ?? this.#entries.find(([key]) => this.#matches(key, text)))?.[1];
  }

  #matches(key: string, path: string): boolean {
    if (!key.startsWith('/')) return path.endsWith(key);
    const isWhole = this.#notation !== undefined || key.endsWith('/') || path.length === key.length;
    return path.startsWith(key) && (isWhole || path[key.length] === '/');
  }
}

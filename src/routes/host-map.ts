/** lighttpd's `wstunnel.server`: keys in their order, each with its hosts. */
export class HostMap<Hosts> {
  readonly #entries: readonly (readonly [string, Hosts])[];

  constructor(entries: readonly (readonly [string, Hosts])[]) {
    this.#entries = entries;
  }

  get lists(): readonly Hosts[] {
    return this.#entries.map(([, hosts]) => hosts);
  }

  /** By `mapExtensions`, then by the first key that fits, as lighttpd's `gw_check_extension` does. */
  hostsOf(path: string, mapExtensions: Readonly<Record<string, string>> | undefined): Hosts | undefined {
    const mapped = Object.entries(mapExtensions ?? {}).find(([ending]) => path.endsWith(ending))?.[1];
    const named = this.#entries.find(([key]) => key === mapped);
    return (named ?? this.#entries.find(([key]) => fits(key, path)))?.[1];
  }
}

function fits(key: string, path: string): boolean {
  return key.startsWith('/') ? path.startsWith(key) : path.endsWith(key);
}

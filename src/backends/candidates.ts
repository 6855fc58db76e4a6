import type { PooledHost } from './pool.js';

/** Connections that one request makes to a host that resets them, where no other host is left. */
const MOST_TRIES = 3;

/** The hosts of one request, and which of them may be asked next. */
export class Candidates {
  readonly all: readonly PooledHost[];
  /** How many connections each has failed this request. */
  readonly #failures = new Map<PooledHost, number>();
  /** Hosts that have reset a connection, and may take the next one. */
  readonly #passing = new Set<PooledHost>();

  constructor(all: readonly PooledHost[]) {
    this.all = all;
  }

  /**
   * The hosts that are up and have not failed this request; else those that only reset a connection; else, where nothing
   * was up from the start, those that are due to be tried again: nginx and HAProxy do not leave out the only host either,
   * since there is no other to go to.
   */
  next(): readonly PooledHost[] {
    const up = this.all.filter((host) => host.up);
    const fresh = up.filter((host) => !this.#failures.has(host));
    if (fresh.length > 0) return withoutBackups(fresh);
    if (this.#failures.size === 0) return withoutBackups(this.all.filter((host) => host.isDue));
    return withoutBackups(up.filter((host) => this.#passing.has(host)));
  }

  failed(host: PooledHost, isPassing: boolean): void {
    const failures = (this.#failures.get(host) ?? 0) + 1;
    this.#failures.set(host, failures);
    if (isPassing && failures < MOST_TRIES) this.#passing.add(host);
    else this.#passing.delete(host);
  }
}

/** A backup is used only while no other host is up. */
function withoutBackups(hosts: readonly PooledHost[]): readonly PooledHost[] {
  const first = hosts.filter(({ host }) => !host.backup);
  return first.length > 0 ? first : hosts;
}

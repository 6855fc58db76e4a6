import type { PooledHost } from './pooled-host.js';

/** Connection attempts of one request at a host that resets them, if no other host is left. */
const MAX_ATTEMPTS = 3;

/** The hosts that one request may still try. */
export class Candidates {
  readonly all: readonly PooledHost[];
  /** Failed attempts of this request, by host. */
  readonly #failures = new Map<PooledHost, number>();
  /** Hosts whose failure may pass: they reset a connection, and may accept the next one. */
  readonly #passing = new Set<PooledHost>();

  constructor(all: readonly PooledHost[]) {
    this.all = all;
  }

  /**
   * The hosts to choose from for the next attempt. First: hosts that are up and have not failed this request. Then: hosts that
   * only reset a connection. If no host was up from the start: hosts that are due for another try. nginx and HAProxy don't
   * leave out an only host either, since there is no alternative.
   */
  next(): readonly PooledHost[] {
    const up = this.all.filter((host) => host.up);
    const fresh = up.filter((host) => !this.#failures.has(host));
    if (fresh.length > 0) return withoutBackups(fresh);
    if (this.#failures.size === 0) return withoutBackups(this.all.filter((host) => host.isDue));
    return withoutBackups(up.filter((host) => this.#passing.has(host)));
  }

  /** An attempt at this host failed. */
  failed(host: PooledHost, isPassing: boolean): void {
    const failures = (this.#failures.get(host) ?? 0) + 1;
    this.#failures.set(host, failures);
    if (isPassing && failures < MAX_ATTEMPTS) this.#passing.add(host);
    else this.#passing.delete(host);
  }
}

/** A backup is used only while no other host is up. */
function withoutBackups(hosts: readonly PooledHost[]): readonly PooledHost[] {
  const first = hosts.filter(({ host }) => !host.backup);
  return first.length > 0 ? first : hosts;
}

import type { PooledHost } from './pooled-host.js';

/** Connection attempts of one request at a host that resets the connections, if no other host is left. */
const MAX_ATTEMPTS = 3;

/** The hosts that one request may still try. */
export class Candidates {
  readonly all: readonly PooledHost[];
  /** Failed attempts of this request, by host. */
  #failures: Map<PooledHost, number> | undefined;
  /** Hosts that only reset a connection: the next connection may succeed. */
  #passing: Set<PooledHost> | undefined;

  constructor(all: readonly PooledHost[]) {
    this.all = all;
  }

  /**
   * The hosts to choose from for the next attempt, by preference: hosts that are up and have not failed this request; hosts that
   * only reset a connection; and, if no host was up from the start, hosts that are due for another attempt. A single host is not
   * left out, as in nginx and HAProxy, since there is no alternative.
   */
  next(): readonly PooledHost[] {
    const failures = this.#failures;
    // The usual case: one host, or several without an outage, need no lists.
    if (!failures && this.all.every(isUpAndFirst)) return this.all;
    const up = this.all.filter((host) => host.up);
    const fresh = failures ? up.filter((host) => !failures.has(host)) : up;
    if (fresh.length > 0) return withoutBackups(withoutSuspects(fresh));
    if (!failures) return withoutBackups(this.all.filter((host) => host.isDue));
    return withoutBackups(up.filter((host) => this.#passing?.has(host)));
  }

  /** Records a failed attempt at a host. */
  failed(host: PooledHost, isPassing: boolean): void {
    const failures = (this.#failures ??= new Map<PooledHost, number>());
    const count = (failures.get(host) ?? 0) + 1;
    failures.set(host, count);
    const passing = (this.#passing ??= new Set<PooledHost>());
    if (isPassing && count < MAX_ATTEMPTS) passing.add(host);
    else passing.delete(host);
  }
}

function isUpAndFirst({ up, host, isSuspect }: PooledHost): boolean {
  return up && !host.backup && !isSuspect;
}

/** A host that another process failed to reach is used only if there is no other. */
function withoutSuspects(hosts: readonly PooledHost[]): readonly PooledHost[] {
  const trusted = hosts.filter(({ isSuspect }) => !isSuspect);
  return trusted.length > 0 ? trusted : hosts;
}

/** Backups are used only while no other host is up. */
function withoutBackups(hosts: readonly PooledHost[]): readonly PooledHost[] {
  const first = hosts.filter(({ host }) => !host.backup);
  return first.length > 0 ? first : hosts;
}

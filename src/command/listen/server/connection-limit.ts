/** Files, log, standard streams, libuv's own. */
const RESERVED = 64;
/** A tunnel has two: the client's and the backend's. */
const PER_CONNECTION = 2;
/** Bounds memory where descriptors do not: 10,000 idle tunnels take some 250 MB. */
const MOST = 10_000;
/** For `--max-connections`: more is a typing error. */
export const CONNECTIONS_CEILING = 1_000_000;
/** Where the limit can't be read. */
const FALLBACK = 1024;

/** The default of `--max-connections`: half of the descriptors that this process may have, and 10,000 at the most. */
export function defaultMaxConnections(limit = descriptorLimit()): number {
  return Math.max(1, Math.min(MOST, Math.floor((limit - RESERVED) / PER_CONNECTION)));
}

/** As `ulimit -n` says. Node raises the soft limit to the hard one at its start. */
function descriptorLimit(): number {
  try {
    // Else the report resolves the name of every peer.
    const report = process.report as typeof process.report & { excludeNetwork?: boolean };
    report.excludeNetwork = true;
    const { userLimits } = report.getReport() as {
      userLimits?: { open_files?: { soft?: number | 'unlimited' } };
    };
    const soft = userLimits?.open_files?.soft;
    if (soft === 'unlimited') return Infinity;
    return typeof soft === 'number' && soft > 0 ? soft : FALLBACK;
  } catch {
    return FALLBACK;
  }
}

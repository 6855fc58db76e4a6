/** Descriptors for files, the log, standard streams and libuv. */
const RESERVED = 64;
/** Descriptors of a tunnel: the client's and the backend's. */
const PER_CONNECTION = 2;
/** Highest default, because of memory: 10,000 idle tunnels need about 250 MB. */
const MOST = 10_000;
/** Upper limit of `--max-connections`: a higher value is likely a typing error. */
export const CONNECTIONS_CEILING = 1_000_000;
/** The assumed limit of descriptors if the real limit can't be read. */
const FALLBACK = 1024;

/** The default of `--max-connections`: half of the descriptors that this process may have, at most 10,000. */
export function defaultMaxConnections(limit = descriptorLimit()): number {
  return Math.max(1, Math.min(MOST, Math.floor((limit - RESERVED) / PER_CONNECTION)));
}

/** The limit of `ulimit -n`. At its start, Node raises the soft limit to the hard limit. */
function descriptorLimit(): number {
  try {
    // Otherwise the report looks up the host name of every peer.
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

/**
 * Default of `--drain`, in seconds: the time for open tunnels to end after SIGTERM. Docker kills a container ten seconds after
 * SIGTERM, and the final cleanup (programs, the log) takes up to one second.
 */
export const DEFAULT_DRAIN = 8;

/** Upper limit of `--drain`, in seconds. Kubernetes and systemd can wait longer, but a value above an hour is likely a typing error. */
export const LONGEST_DRAIN = 3600;

/**
 * Default of `--drain`, in seconds: the time for open tunnels to end after SIGTERM. Docker kills a container ten seconds after SIGTERM,
 * and the cleanup after the tunnels (programs, the log) takes up to one second.
 */
export const DEFAULT_DRAIN = 8;

/** Ceiling of `--drain`, in seconds. Kubernetes and systemd can wait longer than an hour, but a higher value is likely a typing error. */
export const LONGEST_DRAIN = 3600;

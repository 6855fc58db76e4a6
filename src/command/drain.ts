/**
 * Seconds that open tunnels have to end in after SIGTERM, where `--drain` says nothing: Docker kills a container ten seconds after
 * SIGTERM, and what comes after this (programs, the log) takes a second more.
 */
export const DEFAULT_DRAIN = 8;

/** Kubernetes and systemd may be told to wait for longer than an hour; what is longer than this is a typing error. */
export const LONGEST_DRAIN = 3600;

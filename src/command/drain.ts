/**
 * Default of `--drain`, in seconds: the time for open tunnels to end after their Close. Docker kills a container ten seconds after
 * SIGTERM, and the final cleanup (programs, the log) takes up to one second.
 */
export const DEFAULT_DRAIN = 8;

/** Upper limit of `--drain` and `--linger`, in seconds. Kubernetes and systemd can wait longer, but a value above an hour is likely a typing error. */
export const LONGEST_DRAIN = 3600;

/** The settings of the end after a signal, in seconds. */
export interface DrainSettings {
  /** For so long open tunnels go on. */
  readonly grace?: number;
  /** For so long the Closes are spread, after `grace`. */
  readonly spread?: number;
  /** For open tunnels to end after their Close. */
  readonly drain?: number;
  /** For so long the ports stay open. */
  readonly linger?: number;
}

export type DrainTimes = Required<DrainSettings>;

/** The times with their defaults. */
export function drainTimesOf({
  grace = 0,
  spread = 0,
  drain = DEFAULT_DRAIN,
  linger = 0,
}: DrainSettings): DrainTimes {
  return { grace, spread, drain, linger };
}

/** The time that a second signal skips. Without such a time the second signal ends the command at once. */
export function softTime({ grace, spread, linger }: DrainTimes): number {
  return Math.max(grace + spread, linger);
}

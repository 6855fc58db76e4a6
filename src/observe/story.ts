import type { Area, Log } from './log.js';

/**
 * The debug lines of one connection, from the arrival to the end. Each line begins with the id of the connection. While no debug line is
 * printed, a connection has no story: `story?.tell(...)` then evaluates no argument.
 */
export class Story {
  readonly #log: Log;
  readonly #id: string;

  constructor(log: Log, id: string) {
    this.#log = log;
    this.#id = id;
  }

  /** Never pass a raw URL, header, cookie, token or ticket. */
  tell(area: Area, format: string, ...values: unknown[]): void {
    this.#log(area, 'debug', `%s ${format}`, this.#id, ...values);
  }
}

export function storyOf(log: Log, id: string): Story | undefined {
  return log.isOn?.('debug') === true ? new Story(log, id) : undefined;
}

/** The time since `start` (by `performance.now()`) for people, such as `3.2 ms`. */
export function timeSince(start: number): string {
  const milliseconds = performance.now() - start;
  if (milliseconds < 100) return `${milliseconds.toFixed(1)} ms`;
  return milliseconds < 10_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

import type { Channel } from 'node:diagnostics_channel';

/** Node ignores the result; an async subscriber returns a promise. */
type Subscriber = (message: unknown, name: string | symbol) => unknown;

/**
 * The subscribers of a channel; undefined if they can't be found. After an error of a subscriber, `channel.publish` raises an
 * `uncaughtException`, which ends the process and all tunnels. Since Node 15:
 * https://github.com/nodejs/node/blob/main/lib/diagnostics_channel.js (`ActiveChannel`).
 */
export function subscribersOf(channel: Channel): readonly Subscriber[] | undefined {
  const { _subscribers: found } = channel as Channel & { _subscribers?: unknown };
  return Array.isArray(found) && found.every((one) => typeof one === 'function')
    ? [...(found as Subscriber[])]
    : undefined;
}

import type { Channel, ChannelListener } from 'node:diagnostics_channel';

/**
 * The subscribers of a channel; undefined if they can't be found. After an error of a subscriber, `channel.publish` raises an
 * `uncaughtException`, which ends the process and all tunnels. Since Node 15:
 * https://github.com/nodejs/node/blob/main/lib/diagnostics_channel.js (`ActiveChannel`).
 */
export function subscribersOf(channel: Channel): readonly ChannelListener[] | undefined {
  const { _subscribers: found } = channel as Channel & { _subscribers?: unknown };
  return Array.isArray(found) && found.every((one) => typeof one === 'function')
    ? [...(found as ChannelListener[])]
    : undefined;
}

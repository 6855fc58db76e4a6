import { channel } from 'node:diagnostics_channel';
import { isPromise } from '../helpers/abort.js';
import { subscribersOf } from '../internals/node-diagnostics.js';

/** The channels of `node:diagnostics_channel`, by event. Without a strong reference, Node may collect a channel as garbage. */
const CHANNELS = {
  open: channel('express-wstunnel:open'),
  close: channel('express-wstunnel:close'),
  refuse: channel('express-wstunnel:refuse'),
  backend: channel('express-wstunnel:backend'),
} as const;

export type ChannelEvent = keyof typeof CHANNELS;

export function isChannelEvent(event: string): event is ChannelEvent {
  return Object.hasOwn(CHANNELS, event);
}

export function hasSubscribers(event: ChannelEvent): boolean {
  return CHANNELS[event].hasSubscribers;
}

/** Calls each subscriber. `failed` gets the errors of subscribers. */
export function publish(event: ChannelEvent, message: object, failed: (error: unknown) => void): void {
  const to = CHANNELS[event];
  const subscribers = subscribersOf(to);
  if (!subscribers) {
    to.publish(message);
    return;
  }
  for (const subscriber of subscribers) {
    try {
      const result = subscriber(message, to.name);
      if (isPromise(result)) result.then(undefined, failed);
    } catch (error) {
      failed(error);
    }
  }
}

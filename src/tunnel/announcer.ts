import type { EventEmitter } from 'node:events';
import { messageOf } from '../errors.js';
import { hasSubscribers, isChannelEvent, publish, type ChannelEvent } from '../observe/channels.js';
import type { Log } from '../observe/log.js';
import type { TunnelEvents } from '../types.js';
import type { TunnelContext } from './context.js';

/** Emits the events of a tunnel object, also to `node:diagnostics_channel`. An error in a listener ends neither the process nor a tunnel. */
export class Announcer {
  readonly #emitter: () => EventEmitter;
  readonly #log: Log;
  readonly #name: string | undefined;
  /** For the steps of a tunnel. */
  readonly announce: TunnelContext['announce'] = {
    hears: (event) => this.#emitter().listenerCount(event) > 0 || hasSubscribers(event),
    open: (info) => this.emit('open', info),
    close: (info) => this.emit('close', info),
    refuse: (info) => this.emit('refuse', info),
  };

  /** `emitter` is called for each event: the tunnel object is made after its parts. `name`: the option. */
  constructor(emitter: () => EventEmitter, log: Log, name?: string) {
    this.#emitter = emitter;
    this.#name = name;
    this.#log = log;
  }

  emit<Name extends keyof TunnelEvents>(name: Name, ...args: TunnelEvents[Name]): void {
    try {
      this.#emitter().emit(name, ...args);
    } catch (error) {
      this.listenerFailed(name, error);
    }
    if (isChannelEvent(name) && hasSubscribers(name)) this.#publish(name, args[0]);
  }

  #publish(event: ChannelEvent, info: object): void {
    const message = this.#name === undefined ? { ...info } : { ...info, tunnel: this.#name };
    publish(event, message, (error) => this.listenerFailed(`express-wstunnel:${event}`, error));
  }

  /** A listener threw, or its promise was rejected. */
  listenerFailed(name: string | symbol, error: unknown): void {
    const complaint = `a listener for '${String(name)}' failed: ${messageOf(error)}`;
    this.#log('tunnel', 'error', '%s', complaint);
    process.emitWarning(`wstunnel: ${complaint}`);
  }
}

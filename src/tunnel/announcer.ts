import type { EventEmitter } from 'node:events';
import { messageOf } from '../errors.js';
import type { Log } from '../observe/log.js';
import type { TunnelEvents } from '../types.js';
import type { TunnelContext } from './context.js';

/** Emits the events of a tunnel object. An error in a listener ends neither the process nor a tunnel. */
export class Announcer {
  readonly #emitter: () => EventEmitter;
  readonly #log: Log;
  /** For the steps of a tunnel. */
  readonly announce: TunnelContext['announce'] = {
    hears: (event) => this.#emitter().listenerCount(event) > 0,
    open: (info) => this.emit('open', info),
    close: (info) => this.emit('close', info),
    refuse: (info) => this.emit('refuse', info),
  };

  /** `emitter` is called for each event: the tunnel object is made after its parts. */
  constructor(emitter: () => EventEmitter, log: Log) {
    this.#emitter = emitter;
    this.#log = log;
  }

  emit<Name extends keyof TunnelEvents>(name: Name, ...args: TunnelEvents[Name]): void {
    try {
      this.#emitter().emit(name, ...args);
    } catch (error) {
      this.listenerFailed(name, error);
    }
  }

  /** A listener threw, or its promise was rejected. */
  listenerFailed(name: string | symbol, error: unknown): void {
    const complaint = `a listener for '${String(name)}' failed: ${messageOf(error)}`;
    this.#log('tunnel', 'error', '%s', complaint);
    process.emitWarning(`wstunnel: ${complaint}`);
  }
}

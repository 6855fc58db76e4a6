import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ResolvedHost } from '../backends/host.js';
import { messageOf, TunnelError } from '../errors.js';
import { isPromise } from '../helpers/abort.js';
import type { Log } from '../observe/log.js';
import { refuseFrames } from '../options/checks/needs-bytes.js';
import type { RuleSettings } from '../options/settings.js';
import { carrierOf } from '../streams/carrier.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import { untamed } from '../streams/tame.js';
import type { TunnelInfo } from '../types.js';
import type { BackendConnection } from './reach.js';

/** TypeScript accepts async functions in place of functions without a result. */
type Hook = (message: string, tunnel: TunnelInfo, backend: Duplex) => unknown;

/** The tunnel of the messages. */
export interface ControlledTunnel {
  readonly id: string;
  info(): TunnelInfo;
  cutOffBy(ending: Ending): void;
}

/** Calls the option `control` for one tunnel. No reference to the request may remain. */
export class Control {
  readonly #hook: Hook;
  readonly #backend: Duplex;
  readonly #log: Log;
  #hasFailed = false;

  constructor(hook: Hook, connection: BackendConnection, log: Log) {
    this.#hook = hook;
    this.#backend = backendOf(connection);
    this.#log = log;
  }

  /** Passes a message to the hook, which is not called after a failure, nor with a dead backend: methods of a dead terminal may throw. */
  message(text: string, tunnel: ControlledTunnel): void {
    if (this.#hasFailed || this.#backend.destroyed) return;
    try {
      const outcome = this.#hook(text, tunnel.info(), this.#backend);
      // Nobody awaits the promise of an async function: a rejection would end the process.
      if (isPromise(outcome)) Promise.resolve(outcome).catch((error: unknown) => this.#fail(error, tunnel));
    } catch (error) {
      this.#fail(error, tunnel);
    }
  }

  #fail(error: unknown, tunnel: ControlledTunnel): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#log('tunnel', 'error', '%s: control failed: %s', tunnel.id, messageOf(error));
    tunnel.cutOffBy(endingOf('control-failed', 'a control message failed'));
  }
}

/** The stream that the app has made, or else the socket. Under TLS and the wrapper of {@link tame}, the app would not find its methods. */
function backendOf({ socket, host }: BackendConnection): Duplex {
  return host.host.connect ? untamed(carrierOf(socket)) : socket;
}

/** Refuses a request with hosts or settings that leave no control messages. At creation only some of the hosts are known. */
export function checkControl<Req extends IncomingMessage>(
  { control, frameType }: RuleSettings<Req>,
  hosts: readonly ResolvedHost[],
): void {
  if (!control) return;
  refuseFrames('control', hosts);
  if (frameType === 'text')
    throw new TunnelError(
      'WSTUNNEL_HOOK_FAILED',
      'control needs frameType "binary": with "text", text is payload',
    );
}

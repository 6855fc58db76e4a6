import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import type { ResolvedHost } from '../backends/host.js';
import { messageOf, TunnelError } from '../errors.js';
import type { PassageOwner } from '../frames/frame-passage.js';
import type { StreamSettings } from '../frames/websocket-stream.js';
import { isPromise } from '../helpers/abort.js';
import type { Log } from '../observe/log.js';
import { refuseFrames } from '../options/checks/needs-bytes.js';
import type { RuleSettings } from '../options/settings.js';
import { carrierOf } from '../streams/carrier.js';
import { endingOf, type Ending } from '../streams/close-causes.js';
import type { RelaySettings } from '../streams/relay.js';
import { untamed } from '../streams/tame.js';
import type { TunnelInfo } from '../types.js';
import { BytePassage } from './byte-passage.js';
import type { BackendConnection } from './reach.js';

/** TypeScript accepts async functions in place of functions without a result. */
type Hook = (message: string, tunnel: TunnelInfo, backend: Duplex) => unknown;

interface ControlledTunnel {
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

  /** Returns a message to the hook. After a failure of the hook, it is not called again. */
  message(text: string, tunnel: ControlledTunnel): void {
    if (this.#hasFailed) return;
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

/** A passage whose client sends control messages. Other tunnels have no field for them. */
export class ControlledPassage extends BytePassage {
  readonly #control: Control;
  readonly #tunnel: ControlledTunnel;

  constructor(
    client: Duplex,
    backend: Duplex,
    settings: StreamSettings & RelaySettings,
    owner: PassageOwner & ControlledTunnel,
    control: Control,
  ) {
    super(client, backend, settings, owner);
    this.#control = control;
    this.#tunnel = owner;
  }

  message(text: string): void {
    this.#control.message(text, this.#tunnel);
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

import type { BindAddress } from '../../command-line/bind-and-target.js';
import type { DrainTimes } from '../../drain.js';
import type { TunnelTotals } from '../../output/status-line.js';
import type { LineKind, Verbosity } from '../log/command-output.js';

/** Starts a worker, after the messages with its sockets. A message, because argv and the environment are no place for secrets. */
export interface WorkerStart {
  readonly kind: 'start';
  /** The position of the worker, counted from 1. */
  readonly worker: number;
  /** A bare port listens on every address, as in websockify. */
  readonly isForAll: boolean;
  /** Is the supervisor's stderr a terminal? */
  readonly isOnTerminal: boolean;
  /** Does the supervisor need every line, for syslog? */
  readonly hasSyslog: boolean;
  /** Does the supervisor write a log? */
  readonly hasLog: boolean;
  /** The key of login cookies, in base64. */
  readonly cookieKey: string;
  /** The keys of TLS session tickets, in base64. */
  readonly ticketKeys: string;
}

/** `owner`: the worker to whom the socket belongs; another worker serves the socket while the owner is down. */
interface SocketMessage {
  readonly kind: 'socket';
  readonly owner: number;
  /** The index of the listen address. */
  readonly index: number;
}

/** `release`: stop serving the sockets of another worker. */
export type ToWorker =
  | WorkerStart
  | SocketMessage
  | { readonly kind: 'release'; readonly owner: number }
  | { readonly kind: 'reload' }
  /** Answered by `metrics` with the same id. */
  | { readonly kind: 'metrics'; readonly id: number }
  | { readonly kind: 'drain'; readonly times: DrainTimes }
  | { readonly kind: EndMessage };

/** `close-ports`: the end of `linger`. */
export type EndMessage = 'hurry' | 'cut' | 'close-ports';

export type FromWorker =
  /** `listening`: the real addresses; `urls`: the same addresses as URLs. */
  | { readonly kind: 'ready'; readonly urls: readonly string[]; readonly listening: readonly BindAddress[] }
  /** The start failed; the worker ends with the code. */
  | { readonly kind: 'failed'; readonly exitCode: number; readonly lines: readonly string[] }
  /** Without lines: the settings were reloaded. Otherwise the lines are the errors, and the old settings stay in force. */
  | { readonly kind: 'reloaded'; readonly errors: readonly string[] }
  /** The worker drains, and accepts no new tunnels. */
  | { readonly kind: 'ending' }
  /** The shared state was reached, or is reached no longer. */
  | { readonly kind: 'shared'; readonly isUp: boolean }
  | { readonly kind: 'metrics'; readonly id: number; readonly page: string }
  | { readonly kind: 'message'; readonly text: string }
  | { readonly kind: 'line'; readonly text: string; readonly about: LineKind; readonly verbosity: Verbosity }
  | { readonly kind: 'event'; readonly event: string; readonly info: object }
  | { readonly kind: 'totals'; readonly totals: TunnelTotals };

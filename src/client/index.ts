import { TunnelError } from '../errors.js';
import { ClientStream, connect } from './client-stream.js';
import { ClientError } from './client-error.js';
import { listen, Listener } from './listener.js';

export { connect, listen, ClientStream, Listener, ClientError, TunnelError };
export type { TunnelErrorCode } from '../errors.js';
export type { ClientErrorCode } from './client-error.js';
export type { ListenerEvents } from './listener.js';
export type {
  ConnectOptions,
  ListenerStats,
  ListenOptions,
  LocalAddress,
  LocalTunnel,
  LocalTunnelEnd,
} from './client-types.js';

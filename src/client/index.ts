import { TunnelError } from '../errors.js';
import { ClientStream, connect } from './connect.js';
import { ClientError } from './errors.js';
import { listen, Listener } from './listen.js';

export { connect, listen, ClientStream, Listener, ClientError, TunnelError };
export type { TunnelErrorCode } from '../errors.js';
export type { ClientErrorCode } from './errors.js';
export type { ListenerEvents } from './listen.js';
export type {
  ConnectOptions,
  ListenerStats,
  ListenOptions,
  LocalAddress,
  LocalTunnel,
  LocalTunnelEnd,
} from './types.js';

import type * as errors from '../errors.js';
import type * as connecting from './client-stream.js';
import type * as clientErrors from './client-error.js';
import type * as listening from './listener.js';
import type * as types from './client-types.js';
import required = require('./index.js');

// `require('express-wstunnel/client')`, with the types as members of the object.
const client: {
  connect: typeof connecting.connect;
  listen: typeof listening.listen;
  ClientStream: typeof connecting.ClientStream;
  Listener: typeof listening.Listener;
  ClientError: typeof clientErrors.ClientError;
  TunnelError: typeof errors.TunnelError;
} = required;

declare namespace client {
  export type ClientError = clientErrors.ClientError;
  export type ClientErrorCode = clientErrors.ClientErrorCode;
  export type ClientStream = connecting.ClientStream;
  export type ConnectOptions = types.ConnectOptions;
  export type Listener = listening.Listener;
  export type ListenerEvents = listening.ListenerEvents;
  export type ListenerStats = types.ListenerStats;
  export type ListenOptions = types.ListenOptions;
  export type LocalAddress = types.LocalAddress;
  export type LocalTunnel = types.LocalTunnel;
  export type LocalTunnelEnd = types.LocalTunnelEnd;
  export type TunnelError = errors.TunnelError;
  export type TunnelErrorCode = errors.TunnelErrorCode;
}

export = client;

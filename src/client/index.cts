import type * as errors from '../errors.js' with { 'resolution-mode': 'import' };
import type * as connecting from './connect.js' with { 'resolution-mode': 'import' };
import type * as clientErrors from './errors.js' with { 'resolution-mode': 'import' };
import type * as listening from './listen.js' with { 'resolution-mode': 'import' };
import type * as types from './types.js' with { 'resolution-mode': 'import' };
import required = require('./index.js');

// `require('express-wstunnel/client')`: index.ts itself, not a copy. This file is there for its types, as the package's own
// index.cts.
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

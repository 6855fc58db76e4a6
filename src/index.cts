import type { IncomingMessage } from 'node:http';
import type * as errors from './errors.js';
import type * as lighttpd from './lighttpd/from-conf.js';
import type * as types from './types.js';
import type * as shared from './shared/local-state.js';
import type { wstunnel as create } from './wstunnel.js';
import required = require('./index.js');

// `require('express-wstunnel')` gives the function itself with every other export attached, so that it can be called and
// destructured alike.
const wstunnel: typeof create & {
  wstunnel: typeof create;
  memoryShared: typeof shared.memoryShared;
  TunnelError: typeof errors.TunnelError;
  fromLighttpdConf: typeof lighttpd.fromLighttpdConf;
  default: typeof create;
} = Object.assign(required.wstunnel, {
  wstunnel: required.wstunnel,
  memoryShared: required.memoryShared,
  TunnelError: required.TunnelError,
  fromLighttpdConf: required.fromLighttpdConf,
  default: required.wstunnel,
});

declare namespace wstunnel {
  export type AttachOptions = types.AttachOptions;
  export type AuthResult = types.AuthResult;
  export type BackendInfo = types.BackendInfo;
  export type BalanceName = types.BalanceName;
  export type BalanceRequest<Req> = types.BalanceRequest<Req>;
  export type BalanceStrategy<Req = IncomingMessage> = types.BalanceStrategy<Req>;
  export type CloseCause = types.CloseCause;
  export type ClosedInfo = types.ClosedInfo;
  export type CloseOptions = types.CloseOptions;
  export type Condition = types.Condition;
  export type EndResult = types.EndResult;
  export type HookContext = types.HookContext;
  export type Host = types.Host;
  export type HostMap = types.HostMap;
  export type HostState = types.HostState;
  export type IncludedText = lighttpd.IncludedText;
  export type LighttpdConf = lighttpd.LighttpdConf;
  export type LighttpdConfOptions = lighttpd.LighttpdConfOptions;
  export type ListenAddress = lighttpd.ListenAddress;
  export type Next = types.Next;
  export type Recorder = types.Recorder;
  export type RefuseInfo = types.RefuseInfo;
  export type Rule<Req extends IncomingMessage = IncomingMessage> = types.Rule<Req>;
  export type RevalidateOptions = types.RevalidateOptions;
  export type RuleOptions<Req extends IncomingMessage = IncomingMessage> = types.RuleOptions<Req>;
  export type ServerOption<Req> = types.ServerOption<Req>;
  export type SharedInfo = types.SharedInfo;
  export type SharedState = types.SharedState;
  export type SpawnOptions = types.SpawnOptions;
  export type Target = types.Target;
  export type TextMatch = types.TextMatch;
  export type TicketOptions = types.TicketOptions;
  export type Tunnel<Req extends IncomingMessage = IncomingMessage> = types.Tunnel<Req>;
  export type TunnelError = errors.TunnelError;
  export type TunnelErrorCode = errors.TunnelErrorCode;
  export type TunnelEvents = types.TunnelEvents;
  export type TunnelFilter = types.TunnelFilter;
  export type TunnelInfo = types.TunnelInfo;
  export type TunnelOptions<Req extends IncomingMessage = IncomingMessage> = types.TunnelOptions<Req>;
  export type TunnelStats = types.TunnelStats;
  export type TunnelTimings = types.TunnelTimings;
  export type UrlPattern = types.UrlPattern;
  export type VncOptions = types.VncOptions;
}

export = wstunnel;

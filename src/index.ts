import { TunnelError } from './errors.js';
import { fromLighttpdConf } from './lighttpd/from-conf.js';
import { memoryShared } from './shared/local-state.js';
import { wstunnel } from './wstunnel.js';

export { wstunnel, memoryShared, TunnelError, fromLighttpdConf, wstunnel as default };
export type { TunnelErrorCode } from './errors.js';
export type { IncludedText, LighttpdConf, LighttpdConfOptions, ListenAddress } from './lighttpd/from-conf.js';
export type {
  AttachOptions,
  AuthResult,
  BackendInfo,
  BalanceName,
  BalanceRequest,
  BalanceStrategy,
  CloseCause,
  ClosedInfo,
  CloseOptions,
  Condition,
  EndResult,
  HookContext,
  Host,
  HostMap,
  HostState,
  Next,
  Recorder,
  RefuseInfo,
  Rule,
  RevalidateOptions,
  RuleOptions,
  ServerOption,
  SharedInfo,
  SharedState,
  SpawnOptions,
  Target,
  TextMatch,
  TicketOptions,
  Tunnel,
  TunnelEvents,
  TunnelFilter,
  TunnelInfo,
  TunnelOptions,
  TunnelStats,
  TunnelTimings,
  UrlPattern,
  VncOptions,
} from './types.js';

import { TunnelError } from './errors.js';
import { fromLighttpdConf } from './lighttpd/from-conf.js';
import { wstunnel } from './wstunnel.js';

export { wstunnel, TunnelError, fromLighttpdConf, wstunnel as default };
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
  Condition,
  HookContext,
  Host,
  HostMap,
  HostState,
  Next,
  RefuseInfo,
  Rule,
  RevalidateOptions,
  RuleOptions,
  ServerOption,
  SpawnOptions,
  Target,
  TextMatch,
  Tunnel,
  TunnelEvents,
  TunnelInfo,
  TunnelOptions,
  TunnelStats,
  UrlPattern,
} from './types.js';

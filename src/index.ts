import { TunnelError } from './errors.js';
import { fromLighttpdConf } from './lighttpd/from-conf.js';
import { wstunnel } from './wstunnel.js';

// `require('express-wstunnel')` gives the export of that name (Node >= 20.19): the function itself, with everything else
// attached to it, so that it can be called and destructured alike.
const forRequire = Object.assign(wstunnel, { wstunnel, TunnelError, fromLighttpdConf, default: wstunnel });

export { wstunnel, TunnelError, fromLighttpdConf, wstunnel as default, forRequire as 'module.exports' };
export type { TunnelErrorCode } from './errors.js';
export type { LighttpdConf, LighttpdConfOptions, ListenAddress } from './lighttpd/from-conf.js';
export type {
  AttachOptions,
  AuthResult,
  BackendInfo,
  BalanceName,
  BalanceRequest,
  BalanceStrategy,
  ClosedInfo,
  Condition,
  HookContext,
  Host,
  HostMap,
  HostState,
  Next,
  RefuseInfo,
  Rule,
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

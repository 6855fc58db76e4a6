import type { BindAddress } from '../../command-line/bind-and-target.js';
import type { LoginFile, Plan, MiddlewareOptions } from '../plan.js';

/** The settings of a configuration file. */
export interface Config extends Partial<
  Pick<
    Plan,
    | 'unix'
    | 'grace'
    | 'spread'
    | 'drain'
    | 'linger'
    | 'health'
    | 'metrics'
    | 'web'
    | 'novnc'
    | 'names'
    | 'frame'
    | 'tokens'
    | 'trustProxy'
    | 'acceptProxy'
    | 'maxConnections'
    | 'workers'
    | 'shared'
    | 'record'
    | 'log'
    | 'user'
    | 'pages'
    | 'leftOut'
    | 'privateFiles'
    | 'included'
  >
> {
  readonly isLighttpd: boolean;
  readonly listen: readonly BindAddress[];
  readonly tunnel: MiddlewareOptions;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly auth?: readonly LoginFile[];
  readonly verbose?: boolean;
}

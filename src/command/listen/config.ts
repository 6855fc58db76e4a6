import { readText } from '../files.js';
import type { ListenAddress } from '../address.js';
import { readJsonConfig } from './config-json.js';
import { readLighttpdConfig } from './config-lighttpd.js';
import type { LoginFile, Plan, Tunnelling } from './plan.js';

/** What a configuration file says. */
export interface Config extends Partial<
  Pick<
    Plan,
    | 'unix'
    | 'drain'
    | 'web'
    | 'names'
    | 'frame'
    | 'tokens'
    | 'trustProxy'
    | 'acceptProxy'
    | 'maxConnections'
    | 'log'
    | 'user'
    | 'pages'
    | 'leftOut'
    | 'privateFiles'
    | 'included'
  >
> {
  readonly isLighttpd: boolean;
  readonly listen: readonly ListenAddress[];
  readonly tunnel: Tunnelling;
  readonly cert?: string;
  readonly key?: string;
  readonly clientCa?: string;
  readonly auth?: readonly LoginFile[];
  readonly verbose?: boolean;
}

/** JSON, or lighttpd's own language: by the name's ending, else by how it begins. */
export function readConfig(file: string, ignore: readonly string[]): Config {
  const text = readText(file);
  const isJson = /\.jsonc?$/i.test(file) || (!/\.conf$/i.test(file) && /^\s*[{/]/.test(text));
  return isJson ? readJsonConfig(text, file) : readLighttpdConfig(text, file, ignore);
}

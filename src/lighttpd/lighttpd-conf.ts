import type { TunnelOptions } from '../types.js';
import type { ListenAddress } from './conditions/listen-address.js';
import type { IncludedText } from './include/read-includes.js';

/** Options of `fromLighttpdConf`. */
export interface LighttpdConfOptions {
  /**
   * `true`: includes are read from the disk as lighttpd does, relative paths from the folder of `file`, and `conf-enabled/*.conf`
   * in alphabetical order. A function: gets the path as written in the configuration, and returns the text of `include "path"`, or
   * a list of texts with their file names; an exception is reported as an error of the include. Default: each include is an error.
   */
  include?: true | ((path: string) => string | readonly IncludedText[]);
  /** The file name in messages. Default `lighttpd.conf`. */
  file?: string;
  /** The values of `env.NAME`. Default `process.env`. */
  environment?: Readonly<Record<string, string | undefined>>;
  /**
   * Directives to skip on purpose, because the app replaces them: names such as `'auth.require'`, beginnings of names such as
   * `'ssl.*'`, and `'include_shell'`. Directives of the tunnel itself can't be skipped. Default: none.
   */
  ignore?: readonly string[];
  /** Called with a line for each directive that is left out: `lighttpd.conf:4: server.errorlog is left out`. Default: not reported. */
  warn?: (line: string) => void;
}

/** The settings of a lighttpd.conf. */
export interface LighttpdConf extends ListenAddress {
  /** The options for `wstunnel()`. */
  options: TunnelOptions;
  /** lighttpd: `server.document-root`. */
  documentRoot?: string;
  /** lighttpd: `index-file.names`. */
  indexFiles?: string[];
  /** lighttpd: `server.max-connections`, for `server.maxConnections`. */
  maxConnections?: number;
  /** Further sockets to listen on (lighttpd: `$SERVER["socket"] == "..." { }`). */
  sockets?: ListenAddress[];
}

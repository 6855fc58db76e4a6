import { resolve } from 'node:path';
import type { TunnelOptions } from '../../types.js';
import type { FileRecorderOptions } from '../../record/file-recorder.js';
import type { LeftOutDirective } from '../../lighttpd/directives/reading-context.js';
import type { Pages } from '../../lighttpd/directives/page-directives.js';
import type { BindAddress } from '../command-line/bind-and-target.js';
import type { DrainSettings } from '../drain.js';
import type { AutoExitOptions } from './auto-exit.js';
import type { SyslogOptions } from './log/syslog.js';
import type { NovncSettings } from './site/novnc/settings.js';
import type { TokenSettings } from './settings/token-settings.js';
import type { UserName } from './user/process-user.js';

/** Access to the unix sockets of `--unix`. */
export interface UnixAccess {
  /** Permission bits, such as 0o660. Default: by the umask. */
  readonly mode?: number;
  /** The number of the sockets' group. Default: the process's group. */
  readonly group?: number;
}

/** The options for the middleware, without `autoAttach`: the command itself attaches the middleware to its servers. */
export type MiddlewareOptions = Omit<TunnelOptions, 'autoAttach' | 'name' | 'shared'>;

/** The connection to the processes that share the state of this one. */
export interface SharedSettings {
  /** Without a password. */
  readonly url: string;
  readonly prefix?: string;
  /** The name of this process among the others. */
  readonly replica?: string;
  readonly ttl?: number;
  readonly timeout?: number;
  readonly whenDown?: 'local' | 'refuse';
  readonly names?: 'hashed' | 'plain';
  readonly passwordFile?: string;
}

/** Where and how tunnels are recorded. */
export type RecordSettings = Omit<FileRecorderOptions, 'name' | 'encrypt'>;

/** All settings of `listen`, from its command line and its configuration file. Paths are absolute. */
export interface Plan extends DrainSettings {
  readonly listen: readonly BindAddress[];
  /** Access to the unix sockets in `listen`. */
  readonly unix?: UnixAccess;
  /** The address of the health checks. */
  readonly health?: BindAddress;
  /** The address of the metrics. */
  readonly metrics?: BindAddress;
  readonly tunnel: MiddlewareOptions;
  /** The targets, for the message at the start. */
  readonly target: string;
  /** The folder to serve. */
  readonly web?: Web;
  /** Settings of noVNC's page, if `web` is noVNC. */
  readonly novnc?: NovncSettings;
  /** Files in PEM form. */
  readonly tls?: { readonly cert: string; readonly key?: string; readonly clientCa?: string };
  /** On a port for https: close plain http connections instead of redirecting the client. */
  readonly sslOnly: boolean;
  /** Files with logins; without a file, no login is required. */
  readonly auth: readonly LoginFile[];
  /** The sources of tokens, in place of a target. */
  readonly tokens?: TokenSettings;
  /** Further names of this server, for the default origin check. */
  readonly names: readonly string[];
  /** Sites that may show the pages of `web` in a frame, in addition to this server; `*` is every site. */
  readonly frame: readonly string[];
  /** Express's setting `trust proxy`; with `acceptProxy`, the peers that may send a PROXY header. */
  readonly trustProxy?: unknown;
  /** Every connection begins with a header of the PROXY protocol. */
  readonly acceptProxy: boolean;
  /** Limit of connections, for all servers together. */
  readonly maxConnections?: number;
  /** Other commands that share the limits of this one. */
  readonly shared?: SharedSettings;
  /** The number of processes that serve; undefined: this process serves, without a supervisor. */
  readonly workers?: number;
  /** The file for events as JSON; `-` is standard output. */
  readonly log?: string;
  /** The configuration file. */
  readonly config?: string;
  readonly verbose: boolean;
  readonly autoExit: AutoExitOptions;
  /** Each tunnel is recorded in a file. */
  readonly record?: RecordSettings;
  readonly syslog?: SyslogOptions;
  /** Do the settings come from a lighttpd.conf? Then the command adds no guards of its own, such as the default origin check. */
  readonly isLighttpd: boolean;
  /** The user that the process becomes once the servers listen. */
  readonly user?: UserName;
  /** The pages of a lighttpd.conf, and the rules for access to the pages. */
  readonly pages?: Pages;
  /** Directives of a lighttpd.conf that are ignored. */
  readonly leftOut: readonly LeftOutDirective[];
  /** More private files that are read at each reload. */
  readonly privateFiles: readonly string[];
  /** More files that are read at each reload. */
  readonly included: readonly string[];
}

/** A folder to serve. `index`: file names to serve for a folder, in order of preference; empty for none. */
interface Web {
  readonly folder: string;
  readonly index: readonly string[];
  /** The option or directive that names the folder. */
  readonly by: string;
}

/** Does a directive of a lighttpd.conf name the folder? */
export function isDocumentRoot({ by }: Web): boolean {
  return by === DOCUMENT_ROOT;
}

/** Every served folder, with the option or directive that names the folder. */
export function foldersOf({ web, pages }: Plan): readonly Pick<Web, 'folder' | 'by'>[] {
  if (web && !isDocumentRoot(web)) return [web];
  const folders = pages?.folders.map((folder) => ({ folder: resolve(folder), by: DOCUMENT_ROOT }));
  return folders ?? (web ? [web] : []);
}

export const DOCUMENT_ROOT = 'server.document-root';

/** The index files of `--web`, in order of preference. Debian's noVNC has only `vnc.html`. */
export const INDEX = ['index.html', 'vnc.html'] as const;

/** A file of lines `name:hash`; with a user, a file with this user's password. */
export interface LoginFile {
  readonly user?: string;
  readonly file: string;
}

/** Parses `USER:FILE` or `FILE`. A text that begins with a slash or a dot is a path, even if it contains a colon. */
export function parseLoginFile(text: string, folder: string): LoginFile {
  const colon = /^[/.]/.test(text) ? -1 : text.indexOf(':');
  const file = resolve(folder, text.slice(colon + 1));
  return colon < 1 ? { file } : { user: text.slice(0, colon), file };
}

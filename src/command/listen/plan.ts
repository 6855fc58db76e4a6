import { resolve } from 'node:path';
import type { TunnelOptions } from '../../types.js';
import type { LeftOutDirective } from '../../lighttpd/directives/reading-context.js';
import type { Pages } from '../../lighttpd/directives/page-directives.js';
import type { BindAddress } from '../command-line/bind-and-target.js';
import type { AutoExitOptions } from './auto-exit.js';
import type { SyslogOptions } from './log/syslog.js';
import type { UserName } from './user/process-user.js';

/** Access to the unix sockets of `--unix`. */
export interface UnixAccess {
  /** Permission bits, such as 0o660. By default the umask decides. */
  readonly mode?: number;
  /** The number of the sockets' group. By default the process's own. */
  readonly group?: number;
}

/** The options for the middleware. `autoAttach` is missing, since the command itself attaches the middleware to its servers. */
export type MiddlewareOptions = Omit<TunnelOptions, 'autoAttach'>;

/** All settings of `listen`, from its command line and its configuration file. Paths are absolute. */
export interface Plan {
  readonly listen: readonly BindAddress[];
  /** Access to the unix sockets among them. */
  readonly unix?: UnixAccess;
  /** Seconds for open tunnels to end in after a signal. */
  readonly drain?: number;
  readonly tunnel: MiddlewareOptions;
  /** The targets, for the message at the start. */
  readonly target: string;
  /** The folder to serve. */
  readonly web?: Web;
  /** Files in PEM form. */
  readonly tls?: { readonly cert: string; readonly key?: string; readonly clientCa?: string };
  /** On a port for https, close plain http connections instead of redirecting them. */
  readonly sslOnly: boolean;
  /** Files with logins; without any, no login is required. */
  readonly auth: readonly LoginFile[];
  /** A file, or a folder of files. */
  readonly tokens?: string;
  /** Further names of this server, for the default origin check. */
  readonly names: readonly string[];
  /** Sites, besides this server, that may show the pages of `web` in a frame; `*` is every site. */
  readonly frame: readonly string[];
  /** Express's setting `trust proxy`; with `acceptProxy`, the peers that may send a PROXY header. */
  readonly trustProxy?: unknown;
  /** Every connection begins with a header of the PROXY protocol. */
  readonly acceptProxy: boolean;
  /** Limit of connections, for all servers together. */
  readonly maxConnections?: number;
  /** The file for events as JSON; `-` is standard output. */
  readonly log?: string;
  /** The configuration file. */
  readonly config?: string;
  readonly verbose: boolean;
  readonly autoExit: AutoExitOptions;
  /** The path of recordings, to which a number is appended. */
  readonly record?: string;
  readonly syslog?: SyslogOptions;
  /** Are the settings from a lighttpd.conf? Then the command adds no guards of its own, such as the default origin check. */
  readonly isLighttpd: boolean;
  /** The user that the process becomes once it listens. */
  readonly user?: UserName;
  /** The pages of a lighttpd.conf, and its rules for access to them. */
  readonly pages?: Pages;
  /** Directives of a lighttpd.conf that are ignored. */
  readonly leftOut: readonly LeftOutDirective[];
  /** Further private files that are read at each reload. */
  readonly privateFiles: readonly string[];
  /** Further files that are read at each reload. */
  readonly included: readonly string[];
}

/** A folder to serve. `index`: the files that may be served for a folder, in order of preference; empty for none. */
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

/** Every folder that is served, and the option or directive that names it. */
export function foldersOf({ web, pages }: Plan): readonly Pick<Web, 'folder' | 'by'>[] {
  if (web && !isDocumentRoot(web)) return [web];
  const folders = pages?.folders.map((folder) => ({ folder: resolve(folder), by: DOCUMENT_ROOT }));
  return folders ?? (web ? [web] : []);
}

export const DOCUMENT_ROOT = 'server.document-root';

/** The index files of `--web`, in order of preference. Debian's noVNC has only the second one. */
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

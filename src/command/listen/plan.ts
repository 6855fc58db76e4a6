import { resolve } from 'node:path';
import type { TunnelOptions } from '../../types.js';
import type { LeftOut } from '../../lighttpd/directives.js';
import type { Pages } from '../../lighttpd/pages.js';
import type { ListenAddress } from '../command-line/addresses.js';
import type { AutoExitOptions } from './auto-exit.js';
import type { SyslogOptions } from './log/syslog.js';
import type { UserName } from './user/process-user.js';

/** Who may connect to the unix sockets of `--unix`. */
export interface UnixAccess {
  /** Permission bits, such as 0o660. By default the umask decides. */
  readonly mode?: number;
  /** The number of the sockets' group. By default the process's own. */
  readonly group?: number;
}

/** The middleware's options; how it is bound to its servers is the command's affair. */
export type MiddlewareOptions = Omit<TunnelOptions, 'autoAttach'>;

/** What `listen` is to do, by its command line and its configuration file. Paths are as they can be opened. */
export interface Plan {
  readonly listen: readonly ListenAddress[];
  /** Of the unix sockets among them. */
  readonly unix?: UnixAccess;
  /** Seconds that open tunnels have to end in once a signal has asked for it. */
  readonly drain?: number;
  readonly tunnel: MiddlewareOptions;
  /** What it leads to, for the line that says so. */
  readonly target: string;
  /** The folder to serve, and which of its files stands for a folder; none: no file does. */
  readonly web?: Web;
  /** Files in PEM form. */
  readonly tls?: { readonly cert: string; readonly key?: string; readonly clientCa?: string };
  /** Plain http at a port for https is closed, not sent to https. */
  readonly sslOnly: boolean;
  /** Where the logins are; none: everybody may come. */
  readonly auth: readonly LoginFile[];
  /** A file, or a folder of files. */
  readonly tokens?: string;
  /** Names of this server beside its own, where no list of origins says whose pages may connect. */
  readonly names: readonly string[];
  /** Sites that may show the pages of `web` in a frame, beside this server's own; `*` is every site. */
  readonly frame: readonly string[];
  /** Express's setting; with `acceptProxy`, which peers may send a PROXY header. */
  readonly trustProxy?: unknown;
  /** Every connection begins with a PROXY protocol header. */
  readonly acceptProxy: boolean;
  /** Most connections of all servers together. */
  readonly maxConnections?: number;
  /** Where events are written as JSON; `-` is stdout. */
  readonly log?: string;
  /** The configuration file. */
  readonly config?: string;
  readonly verbose: boolean;
  readonly autoExit: AutoExitOptions;
  /** Recordings are files with this name and a number. */
  readonly record?: string;
  readonly syslog?: SyslogOptions;
  /** Does a lighttpd.conf say who may come? Then it says all of it. */
  readonly isLighttpd: boolean;
  /** Whom the process is to be once it listens. */
  readonly user?: UserName;
  /** What a lighttpd.conf says of pages, and of who may ask for what. */
  readonly pages?: Pages;
  /** Directives of a lighttpd.conf that are not taken over. */
  readonly leftOut: readonly LeftOut[];
  /** Further files that are read at each reload, and are nobody else's to read. */
  readonly privateFiles: readonly string[];
  /** Further files that are read at each reload. */
  readonly included: readonly string[];
}

/** A folder to serve, and which of its files stands for a folder; none: no file does. */
interface Web {
  readonly folder: string;
  readonly index: readonly string[];
  /** The option or directive that names the folder. */
  readonly by: string;
}

/** Is it named by a directive? */
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

/** A folder's page, in the order of preference. Debian's noVNC has only the second. */
export const INDEX = ['index.html', 'vnc.html'] as const;

/** A file of lines `name:hash`, or with a user the one that holds this user's password. */
export interface LoginFile {
  readonly user?: string;
  readonly file: string;
}

/** `USER:FILE` or `FILE`; one that begins with a slash or a dot is a path, whatever is in it. */
export function parseLoginFile(text: string, folder: string): LoginFile {
  const colon = /^[/.]/.test(text) ? -1 : text.indexOf(':');
  const file = resolve(folder, text.slice(colon + 1));
  return colon < 1 ? { file } : { user: text.slice(0, colon), file };
}

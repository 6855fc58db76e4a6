import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { TunnelError } from '../../errors.js';
import {
  fromLighttpdConf,
  type LighttpdConf,
  type ListenAddress as Bound,
} from '../../lighttpd/from-conf.js';
import type { ListenAddress } from '../address.js';
import { usage } from '../args.js';
import { CommandError, EXIT } from '../exit.js';
import { reasonOf } from '../files.js';
import type { Config } from './config.js';

/** Its tunnels, its document root, and where it listens: without `server.bind` that is every address, as there. */
export function readLighttpdConfig(text: string, file: string, ignore: readonly string[]): Config {
  const conf = parse(text, file, ignore);
  const { documentRoot, indexFiles = [], maxConnections } = conf;
  return {
    isLighttpd: true,
    listen: [conf, ...(conf.sockets ?? [])].map(addressOf),
    tunnel: conf.options,
    ...(documentRoot !== undefined && { web: { folder: resolve(documentRoot), index: indexFiles } }),
    ...(maxConnections !== undefined && { maxConnections }),
  };
}

function parse(text: string, file: string, ignore: readonly string[]): LighttpdConf {
  const folder = dirname(resolve(file));
  try {
    return fromLighttpdConf(text, { file, ignore, include: (path) => included(resolve(folder, path)) });
  } catch (error) {
    if (!(error instanceof TunnelError)) throw error;
    const message = error.message.replace(/^wstunnel: /, '');
    if (message.startsWith('ignore ')) throw usage(`--${message}`);
    throw new CommandError(EXIT.config, message, { cause: error });
  }
}

function addressOf({ port, bind, socket }: Bound): ListenAddress {
  if (socket !== undefined) return { socket };
  return { ...(port !== undefined && { port }), ...(bind !== undefined && { host: bind }) };
}

/** `conf.d/*.conf` is each of these, in the order of their names; a wildcard that finds none is nothing. */
function included(path: string): string {
  const name = basename(path);
  try {
    if (!/[*?]/.test(name)) return readFileSync(path, 'utf8');
    const escaped = name.replace(/[.+^${}()|[\]\\]/g, '\\$&');
    const pattern = new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`);
    const files = readdirSync(dirname(path)).filter((one) => pattern.test(one) && !one.startsWith('.'));
    return files
      .sort()
      .map((one) => readFileSync(join(dirname(path), one), 'utf8'))
      .join('\n');
  } catch (error) {
    throw new Error(`${path}: ${reasonOf(error)}`, { cause: error });
  }
}

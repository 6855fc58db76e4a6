import { dirname, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { plainMessageOf, TunnelError } from '../../../errors.js';
import { readDirectiveNames } from '../../../lighttpd/from-conf.js';
import { IncludedFileError } from '../../../lighttpd/include/regular-file.js';
import { includeFrom } from '../../../lighttpd/include/read-includes.js';
import { readConf, type ConfReading, type ConfUser } from '../../../lighttpd/read-conf.js';
import type { Problem } from '../../../lighttpd/syntax/problems.js';
import type { ListenAddress as Bound } from '../../../lighttpd/conditions/listen-address.js';
import type { BindAddress } from '../../command-line/bind-and-target.js';
import { usageError } from '../../command-line/args.js';
import { CommandError, EXIT } from '../../exit.js';
import { reasonOf } from '../../files.js';
import type { Config } from './config.js';
import { DOCUMENT_ROOT } from '../plan.js';

/** Reads a lighttpd.conf. Without `server.bind` it listens on every IPv4 address, as lighttpd does. @throws {CommandError} */
export function readLighttpdConfig(text: string, file: string, ignore: readonly string[]): Config {
  checkIgnored(ignore);
  const included = new Set<string>();
  const read = includeFrom(file);
  const include = (path: string) => {
    try {
      const texts = read(path);
      for (const one of texts) included.add(resolve(one.file));
      return texts;
    } catch (error) {
      if (error instanceof IncludedFileError) throw error;
      // For a path with a wildcard, the error names the file.
      const { path: wrong = resolve(dirname(file), path) } = error as NodeJS.ErrnoException;
      throw new Error(`${wrong}: ${reasonOf(error)}`, { cause: error });
    }
  };
  const { problems, conf, pages, user, leftOut } = readConf(text, {
    reader: 'command',
    file,
    ignore,
    include,
  });
  if (!conf || problems.length > 0) throw failureOf(problems);
  const { documentRoot, indexFiles = [], maxConnections } = conf;
  return {
    isLighttpd: true,
    listen: distinct([conf, ...(conf.sockets ?? [])].map(addressOf)),
    tunnel: conf.options,
    ...(documentRoot !== undefined && {
      web: { folder: resolve(documentRoot), index: indexFiles, by: DOCUMENT_ROOT },
    }),
    ...(pages && { pages }),
    ...(maxConnections !== undefined && { maxConnections }),
    ...userOf(user),
    leftOut,
    included: [...included],
  };
}

function checkIgnored(ignore: readonly string[]): void {
  try {
    readDirectiveNames(ignore, '--ignore');
  } catch (error) {
    if (error instanceof TunnelError) throw usageError(plainMessageOf(error));
    throw error;
  }
}

/** All problems, and the `--ignore` options for directives that may be ignored, ready to copy. */
function failureOf(problems: readonly Problem[]): CommandError {
  const [first = '', ...more] = problems.map(({ message }) => message);
  const names = new Set(problems.flatMap(({ directive }) => directive ?? []));
  const options = Array.from(names, (name) => `--ignore ${name}`).join(' ');
  const hint = names.size > 1 ? [`once you have checked these directives, ignore them with ${options}`] : [];
  return new CommandError(EXIT.config, first, { more: [...more, ...hint], cause: problems[0]?.cause });
}

function userOf(user: ConfReading['user']): Pick<Config, 'user'> {
  if (user === undefined) return {};
  const { place } = user satisfies ConfUser;
  // lighttpd would give up only root's group.
  if (user.user === undefined)
    throw new CommandError(EXIT.config, `${place}: server.groupname needs server.username`);
  const by = `${place}: server.username`;
  return { user: { user: user.user, ...(user.group !== undefined && { group: user.group }), by } };
}

/** In lighttpd, the default is IPv4 only and `::` is IPv6 only; in Node, both are dual-stack. Address rules may cover only one family. */
function addressOf({ port, bind = '0.0.0.0', socket }: Bound): BindAddress {
  if (socket !== undefined) return { socket };
  return { ...(port !== undefined && { port }), host: bind, ...(bind === '::' && { ipv6Only: true }) };
}

/** The addresses without duplicates. */
function distinct(addresses: readonly BindAddress[]): BindAddress[] {
  return addresses.filter(
    (one, index) => addresses.findIndex((other) => isDeepStrictEqual(one, other)) === index,
  );
}

import { checkFunction, oneOf } from '../options/checks/basic.js';
import { checkNames } from '../options/checks/names.js';
import { TokenStore } from './files/token-store.js';
import { requirePath } from './paths.js';
import { sourceFailure } from './refusals.js';
import { withTraits, type TokenSource } from './token-types.js';
import { messageOf } from '../errors.js';

/** The options of `fileTokens()`. */
export interface FileTokensOptions {
  /**
   * `'changed'` (default): a change of a file counts at once, as with websockify's TokenFile. `'once'`: the files are read at the first
   * look-up and never again, as with websockify's ReadOnlyTokenFile.
   */
  read?: 'changed' | 'once';
  /** Called with a message for each invalid line, with file and line number and without the token. Default: a process warning. */
  warn?: (line: string) => void;
}

const CHECKS = { read: oneOf(['changed', 'once']), warn: checkFunction };

/**
 * websockify's TokenFile: a file of lines `token: host:port`, or a folder of such files.
 *
 * @throws {TunnelError} WSTUNNEL_OPTION for an invalid option or a path that does not exist.
 */
export function fileTokens(path: string, options: FileTokensOptions = {}): TokenSource {
  checkNames(options, 'fileTokens()', CHECKS);
  requirePath(path, 'fileTokens()', 'a file or a folder');
  const { read = 'changed', warn = warnOf } = options;
  return storeTokens(path, { read, warn });
}

export function storeTokens(path: string, { read, warn }: Required<FileTokensOptions>): TokenSource {
  let opening: Promise<TokenStore> | undefined;
  const open = (report: (line: string) => void): Promise<TokenStore> => {
    // After a failure, the next request tries again.
    opening ??= TokenStore.open(path, report).catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  const store = () =>
    open(warn).catch((error: unknown) => {
      throw sourceFailure('down', messageOf(error), error);
    });
  const source: TokenSource = async (token) => {
    const tokens = await store();
    const host = read === 'once' ? tokens.known(token) : await tokens.find(token);
    return host && { target: host };
  };
  return withTraits(source, {
    open: async (report) => {
      await open(report);
    },
    recheck: async (token) => {
      const tokens = await store();
      return read === 'once' ? tokens.known(token) !== undefined : tokens.isValid(token);
    },
  });
}

function warnOf(line: string): void {
  process.emitWarning(`wstunnel: ${line}`, { code: 'WSTUNNEL_TOKENS' });
}

import { ClientError } from '../../client/client-error.js';
import { plainMessageOf, messageOf, TunnelError } from '../../errors.js';
import { usageError } from '../command-line/args.js';
import { CommandError, EXIT } from '../exit.js';

/** The exit code for each error that ends the command. */
const CODES: Readonly<Record<ClientError['code'], number>> = {
  WSTUNNEL_UNREACHABLE: EXIT.unreachable,
  WSTUNNEL_TLS: EXIT.unreachable,
  WSTUNNEL_CONNECT_TIMEOUT: EXIT.unreachable,
  WSTUNNEL_PROXY_UNREACHABLE: EXIT.unreachable,
  WSTUNNEL_PROXY_AUTH: EXIT.unreachable,
  WSTUNNEL_PROXY_REFUSED: EXIT.unreachable,
  WSTUNNEL_REFUSED: EXIT.refused,
  WSTUNNEL_NOT_WEBSOCKET: EXIT.refused,
  WSTUNNEL_CLOSED: EXIT.failed,
};

/** Turns an error that ended the tunnel into a message with an exit code. */
export function commandErrorOf(error: unknown): CommandError {
  if (error instanceof CommandError) return error;
  if (error instanceof TunnelError) return usageError(plainMessageOf(error));
  if (error instanceof ClientError)
    return new CommandError(CODES[error.code], failureLine(error), { cause: error });
  return new CommandError(EXIT.failed, messageOf(error), { cause: error });
}

/** The error's message, with the server's explanation and the option that may help. */
export function failureLine(error: Error): string {
  if (!(error instanceof ClientError)) return error.message;
  const said = bodyLineOf(error);
  return `${error.message}${said === '' ? '' : ` (${said})`}${hintOf(error)}`;
}

/** The first line of a plain-text body. An HTML page is ignored. */
function bodyLineOf({ headers, body }: ClientError): string {
  const isPlain = headers['content-type']?.startsWith('text/plain') === true;
  const [line = ''] = isPlain ? body.trim().split('\n') : [];
  return line.length > 200 ? `${line.slice(0, 200)}...` : line;
}

function hintOf({ code, status, cause }: ClientError): string {
  if (code === 'WSTUNNEL_PROXY_AUTH')
    return '; put them into the URL of HTTPS_PROXY or HTTP_PROXY, or of --proxy';
  if (status === 401) return '; give a login with --user, --bearer or --cookie';
  const { code: reason = '' } = (cause ?? {}) as NodeJS.ErrnoException;
  const isUnknown = /SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)/.test(reason);
  return code === 'WSTUNNEL_TLS' && isUnknown ? '; give its CA with --ca' : '';
}

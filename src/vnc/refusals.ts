import { TunnelError } from '../errors.js';
import { cut, onOneLine } from '../helpers/one-line.js';

/** Characters of a server's text in the details for the operator. */
const MOST_TEXT = 200;

/** Refusals after which the same login would fail again: see {@link LoginPauses}. */
const rejections = new WeakSet<TunnelError>();

/** The login cannot be done. `detail` is for the operator only. */
export function vncRefusal(message: string, detail?: string, cause?: unknown): TunnelError {
  return new TunnelError('WSTUNNEL_VNC_REFUSED', message, {
    ...(detail !== undefined && detail !== '' && { detail }),
    ...(cause !== undefined && { cause }),
  });
}

/** The server rejected the user name or the password, or refuses every login after too many failures. */
export function loginRejection(message: string, detail: string): TunnelError {
  const refusal = vncRefusal(message, detail);
  rejections.add(refusal);
  return refusal;
}

export function isLoginRejection(error: unknown): boolean {
  return error instanceof TunnelError && rejections.has(error);
}

/** A text of the server in a form for logs and terminals. */
export function serverText(bytes: Buffer): string {
  return cut(String(onOneLine(bytes.toString('utf8').trim())), MOST_TEXT);
}

import { HandshakeCut, type HandshakeBytes } from './handshake-bytes.js';
import { MOST_REASON, RESULT, type Minor } from './protocol.js';
import { loginRejection, serverText, vncRefusal } from './refusals.js';

/** Milliseconds for the reason of a failure. Some servers of version 3.8 send none, and keep the connection open. */
const REASON_WAIT = 2000;

/**
 * Reads the SecurityResult (RFC 6143 section 7.1.3). `secret` names what the server has checked; undefined if the server has
 * asked for nothing.
 */
export async function readResult(bytes: HandshakeBytes, minor: Minor, secret?: string): Promise<void> {
  const result = await bytes.takeNumber(4);
  if (result === RESULT.ok) return;
  if (result !== RESULT.failed && result !== RESULT.tooMany)
    throw vncRefusal('the VNC server sent an unknown result of the login', `result ${result}`);
  // A reason exists from version 3.8 on.
  const reason = minor === 8 ? await readReason(bytes) : '';
  throw failure(reason, secret);
}

/** Reads the reason of a server that offers no security type, and returns the refusal. */
export async function readConnectionFailure(bytes: HandshakeBytes): Promise<Error> {
  return failure(await readReason(bytes));
}

function failure(reason: string, secret?: string): Error {
  // TigerVNC and RealVNC block an address for a time.
  if (/too many .*(fail|attempt)/i.test(reason))
    return loginRejection('the VNC server refuses logins after too many failures', reason);
  if (secret !== undefined) return loginRejection(`the VNC server rejected the ${secret}`, reason);
  return vncRefusal('the VNC server refused the connection', reason);
}

async function readReason(bytes: HandshakeBytes): Promise<string> {
  let length = 0;
  try {
    if (!(await bytes.has(4, REASON_WAIT))) return '';
    length = Math.min(await bytes.takeNumber(4), MOST_REASON);
    await bytes.has(length, REASON_WAIT);
  } catch (error) {
    // Many servers close the connection at once: a part of the reason is better than none.
    if (!(error instanceof HandshakeCut)) throw error;
  }
  return serverText(bytes.takeUnread(length));
}

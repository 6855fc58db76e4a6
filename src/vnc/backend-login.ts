import type { Duplex } from 'node:stream';
import type { AbortState } from '../helpers/abort.js';
import { LoginConnection, type BackendLogin, type StartTls } from './connection.js';
import { HandshakeCut } from './handshake-bytes.js';
import { minorOf, SECURITY, securityName, VERSION_LENGTH, versionMessage, type Minor } from './protocol.js';
import { serverText, vncRefusal } from './refusals.js';
import { readConnectionFailure, readResult } from './security-result.js';
import { answerChallenge, doVeNCrypt, PASSWORD } from './vencrypt.js';

export type { BackendLogin, StartTls } from './connection.js';

/** Milliseconds. A server that has sent nothing by then expects TLS from the first byte: x11vnc -ssl, stunnel. */
const SILENCE = 500;

/** The first bytes of every version message. */
const RFB = 'RFB ';

/** The types in the order of preference. VeNCrypt is the last, since its subtypes may need more than this side has. */
const TYPES: readonly number[] = [SECURITY.vncAuthentication, SECURITY.none, SECURITY.veNCrypt];

/**
 * Logs in to a VNC server as its client, on an open connection, up to a successful SecurityResult. Resolves to the paused
 * connection, or to the TLS connection on it, directly before ClientInit.
 *
 * `tls`: the host's TLS, undefined if the host has none. With it, nothing is sent without encryption: either the server offers
 * VeNCrypt, or expects TLS from the first byte.
 *
 * Rejects with WSTUNNEL_VNC_REFUSED, or with the signal's reason, or with the error of a connection that was lost before the server's
 * version; then the connection is destroyed. No message contains the password.
 */
export async function loginToBackend(
  socket: Duplex,
  login: BackendLogin,
  tls: StartTls | undefined,
  signal: AbortState,
): Promise<Duplex> {
  const connection = new LoginConnection(socket, login, tls, signal);
  let hasBegun = false;
  try {
    if (tls && !(await connection.bytes.has(1, SILENCE))) await connection.encrypt(tls, 'x509');
    const minor = await agreeOnVersion(connection);
    hasBegun = true;
    const type = await agreeOnType(connection, minor);
    const secret = await authenticate(connection, type);
    // RFC 6143 appendix A: before version 3.8, no result follows the type None.
    if (type !== SECURITY.none || minor === 8) await readResult(connection.bytes, minor, secret);
    connection.requireNoUnread();
    return connection.bytes.leave();
  } catch (error) {
    connection.destroy();
    // Before its version a server knows nothing of this login: a proxy of ports closes so for a server that does not run.
    if (error instanceof HandshakeCut && !hasBegun) throw error.cause instanceof Error ? error.cause : error;
    if (error instanceof HandshakeCut)
      throw vncRefusal('the VNC server closed the connection during the login', undefined, error.cause);
    throw error;
  }
}

async function agreeOnVersion({ bytes }: LoginConnection): Promise<Minor> {
  // Other protocols may begin with fewer bytes than a version message has.
  await bytes.has(RFB.length);
  const isRfb = bytes.startsWith(RFB);
  const message = isRfb ? await bytes.take(VERSION_LENGTH) : bytes.takeUnread(VERSION_LENGTH);
  const minor = minorOf(message);
  if (minor === undefined)
    throw vncRefusal('the backend is not a VNC server', `its first bytes: "${serverText(message)}"`);
  bytes.write(versionMessage(minor));
  return minor;
}

async function agreeOnType(connection: LoginConnection, minor: Minor): Promise<number> {
  const { bytes } = connection;
  if (minor === 3) {
    // The server chooses (RFC 6143 appendix A.1).
    const type = await bytes.takeNumber(4);
    if (type === SECURITY.invalid) throw await readConnectionFailure(bytes);
    // VeNCrypt needs a choice of the client.
    return typeOf(type === SECURITY.veNCrypt ? [] : [type], connection, [type]);
  }
  const count = await bytes.takeNumber(1);
  if (count === 0) throw await readConnectionFailure(bytes);
  const offered = [...(await bytes.take(count))];
  const type = typeOf(offered, connection);
  bytes.write(Buffer.of(type));
  return type;
}

function typeOf(usable: readonly number[], { needsTls }: LoginConnection, offered = usable): number {
  const type = TYPES.find((one) => usable.includes(one) && (!needsTls || one === SECURITY.veNCrypt));
  if (type !== undefined) return type;
  const detail = `offered: ${offered.slice(0, 16).map(securityName).join(', ')}`;
  if (TYPES.some((one) => usable.includes(one)))
    throw vncRefusal('the VNC server offers no TLS, which the host\'s "tls" asks for', detail);
  const [first = SECURITY.invalid] = offered;
  throw vncRefusal(`the VNC server asks for ${securityName(first)}, which "vnc" cannot answer`, detail);
}

/** Returns the name of the secret that the server checks. */
async function authenticate(connection: LoginConnection, type: number): Promise<string | undefined> {
  switch (type) {
    case SECURITY.none:
      return undefined;
    case SECURITY.veNCrypt:
      return doVeNCrypt(connection);
    default:
      await answerChallenge(connection);
      return PASSWORD;
  }
}

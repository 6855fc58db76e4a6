import type { IncomingMessage } from 'node:http';
import { withAllCauses } from '../../backends/all-causes.js';
import { messageOf } from '../../errors.js';
import { redactUrl } from '../../observe/redact.js';
import { ClientError, type ClientErrorCode } from '../client-error.js';
import type { ProxyRoute } from '../proxy/proxy-route.js';
import type { TunnelUrl } from '../url/tunnel-url.js';
import { printable } from '../../helpers/printable.js';
import { beginningOfBody, helpfulHeaders, statusLine } from './refusal-answer.js';

const TLS_CODE =
  /^(EPROTO|ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/;

/** The error of a connection that failed before an answer. */
export function connectionFailure(error: Error, target: TunnelUrl): ClientError {
  // A failure of the proxy already has its code.
  if (error instanceof ClientError) return error;
  const cause = withAllCauses(error);
  const why = messageOf(cause);
  const { code = '' } = error as NodeJS.ErrnoException;
  const make = (kind: ClientErrorCode, message: string) => new ClientError(kind, message, { cause });
  const server = `${target.host}:${target.port}`;
  if (code.startsWith('HPE_')) return make('WSTUNNEL_NOT_WEBSOCKET', `${server} does not answer in HTTP`);
  // OpenSSL's own words name source lines of Node.
  if (target.secure && /wrong version number|packet length too long/i.test(why))
    return make('WSTUNNEL_TLS', `${server} does not speak TLS: use a ws: URL, or a port that serves https`);
  if (target.secure && TLS_CODE.test(code)) return make('WSTUNNEL_TLS', `TLS with ${server} failed: ${why}`);
  if (code === 'ECONNRESET')
    return make('WSTUNNEL_UNREACHABLE', `${server} closed the connection without an answer`);
  return make('WSTUNNEL_UNREACHABLE', `${server} could not be reached: ${why}`);
}

/** The error for an answer other than 101. */
export async function refusalByServer(
  answer: IncomingMessage,
  target: TunnelUrl,
  proxy: ProxyRoute | undefined,
  signal: AbortSignal,
): Promise<ClientError> {
  const { statusCode: status = 0, headers } = answer;
  const body = await beginningOfBody(answer, signal);
  const details = { status, headers: helpfulHeaders(headers), body };
  const line = statusLine(answer);
  // In forward mode the proxy may answer instead of the server.
  if (status === 407 && proxy)
    return new ClientError(
      'WSTUNNEL_PROXY_AUTH',
      `the proxy ${proxy.shown} requires a user and password: ${line}`,
      details,
    );
  if (status === 101)
    return new ClientError(
      'WSTUNNEL_NOT_WEBSOCKET',
      `${target.shown}: the 101 response has no Upgrade header`,
      details,
    );
  const { location } = details.headers;
  const redirect =
    location === undefined
      ? ''
      : `; it redirects to ${printable(redactUrl(location))}, and redirects are not followed`;
  return new ClientError('WSTUNNEL_REFUSED', `${target.shown} was refused: ${line}${redirect}`, details);
}

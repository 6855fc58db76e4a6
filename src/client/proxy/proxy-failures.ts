import type { IncomingMessage } from 'node:http';
import { withAllCauses } from '../../backends/all-causes.js';
import { messageOf } from '../../errors.js';
import { ClientError } from '../client-error.js';
import { helpfulHeaders, statusLine } from '../handshake/refusal-answer.js';
import type { ProxyRoute } from './proxy-route.js';

type Shown = Pick<ProxyRoute, 'shown'>;

/** The error of a connection to the proxy that failed before an answer. */
export function unreachableProxy(error: Error, { shown }: Shown): ClientError {
  const cause = withAllCauses(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  const isTooLong = code === 'HPE_HEADER_OVERFLOW';
  if (code.startsWith('HPE_') && !isTooLong) return notAnHttpProxy({ shown }, cause);
  const isClosed = code === 'ECONNRESET';
  const why = isTooLong
    ? 'the header of its answer is too long'
    : isClosed
      ? 'it closed the connection without an answer'
      : messageOf(cause);
  return new ClientError('WSTUNNEL_PROXY_UNREACHABLE', `the proxy ${shown} could not be reached: ${why}`, {
    cause,
  });
}

/** The error for a proxy that speaks another protocol, such as SSH or VNC. */
export function notAnHttpProxy({ shown }: Shown, cause?: unknown): ClientError {
  return new ClientError('WSTUNNEL_PROXY_REFUSED', `the proxy ${shown} does not answer in HTTP`, { cause });
}

/** The error for an answer to CONNECT other than 200. */
export function refusalByProxy(answer: IncomingMessage, { shown }: Shown): ClientError {
  const { statusCode: status = 0, headers } = answer;
  const details = { status, headers: helpfulHeaders(headers) };
  const line = statusLine(answer);
  // tinyproxy answers a wrong password with 401.
  return status === 407 || status === 401
    ? new ClientError(
        'WSTUNNEL_PROXY_AUTH',
        `the proxy ${shown} requires a valid user and password: ${line}`,
        details,
      )
    : new ClientError('WSTUNNEL_PROXY_REFUSED', `the proxy ${shown} refused: ${line}`, details);
}

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { messageOf } from '../../errors.js';
import { withAllCauses } from '../../backends/all-causes.js';
import { redactUrl } from '../../observe/redact.js';
import { ClientError, type ClientErrorCode } from '../client-error.js';
import type { ConnectSettings } from '../options.js';
import type { ProxyRoute } from '../proxy/read-proxy.js';
import type { TunnelUrl } from '../url/tunnel-url.js';

/** How much of a refusal's body is kept, in bytes: enough for a sentence, too little for a page. */
const MAX_BODY = 1024;
/** Seconds for which the rest of such a body is waited for. */
const BODY_TIMEOUT = 1;
/** What says how to do better. */
const TELLING = [
  'www-authenticate',
  'proxy-authenticate',
  'location',
  'retry-after',
  'server',
  'content-type',
];

const TLS_CODE =
  /^(EPROTO|ERR_TLS_|ERR_SSL_|ERR_OSSL_|CERT_|CRL_|UNABLE_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH)/;

/** A connection that failed before there was an answer. */
export function connectionFailure(error: Error, { target }: ConnectSettings): ClientError {
  // The proxy's failures have their names already.
  if (error instanceof ClientError) return error;
  const cause = withAllCauses(error);
  const why = messageOf(cause);
  const { code = '' } = error as NodeJS.ErrnoException;
  const make = (kind: ClientErrorCode, message: string) => new ClientError(kind, message, { cause });
  const server = `${target.host}:${target.port}`;
  if (code.startsWith('HPE_')) return make('WSTUNNEL_NOT_WEBSOCKET', `${server} does not answer in HTTP`);
  if (target.secure && TLS_CODE.test(code)) return make('WSTUNNEL_TLS', `TLS with ${server} failed: ${why}`);
  if (code === 'ECONNRESET')
    return make('WSTUNNEL_UNREACHABLE', `${server} ended the connection without an answer`);
  return make('WSTUNNEL_UNREACHABLE', `${server} could not be reached: ${why}`);
}

/** An answer other than 101. */
export async function refusalByServer(
  answer: IncomingMessage,
  target: TunnelUrl,
  proxy: ProxyRoute | undefined,
  signal: AbortSignal,
): Promise<ClientError> {
  const { statusCode: status = 0, statusMessage = '', headers } = answer;
  const body = await beginningOf(answer, signal);
  const details = { status, headers: tellingOf(headers), body };
  const said = printable(`${status} ${statusMessage}`);
  // In forward mode the proxy answers in the server's place.
  if (status === 407 && proxy)
    return new ClientError(
      'WSTUNNEL_PROXY_AUTH',
      `the proxy ${proxy.shown} wants a user and password: ${said}`,
      details,
    );
  if (status === 101)
    return new ClientError('WSTUNNEL_NOT_WEBSOCKET', `${target.shown}: its 101 has no Upgrade`, details);
  const { location } = details.headers;
  const where =
    location === undefined
      ? ''
      : `; it points to ${printable(redactUrl(location))}, redirects are not followed`;
  return new ClientError('WSTUNNEL_REFUSED', `${target.shown} was refused: ${said}${where}`, details);
}

/** A connection to the proxy that failed before it answered. */
export function unreachableProxy(error: Error, { shown }: Pick<ProxyRoute, 'shown'>): ClientError {
  const cause = withAllCauses(error);
  const { code = '' } = error as NodeJS.ErrnoException;
  const isEndless = code === 'HPE_HEADER_OVERFLOW';
  if (code.startsWith('HPE_') && !isEndless) return notAnHttpProxy({ shown }, cause);
  const isHungUp = code === 'ECONNRESET';
  const why = isEndless
    ? 'its answer has no end'
    : isHungUp
      ? 'it ended the connection without an answer'
      : messageOf(cause);
  return new ClientError('WSTUNNEL_PROXY_UNREACHABLE', `the proxy ${shown} could not be reached: ${why}`, {
    cause,
  });
}

/** Something else listens there: an SSH or VNC server. */
export function notAnHttpProxy({ shown }: Pick<ProxyRoute, 'shown'>, cause?: unknown): ClientError {
  return new ClientError('WSTUNNEL_PROXY_REFUSED', `the proxy ${shown} does not answer in HTTP`, { cause });
}

/** An answer to CONNECT other than 200. */
export function refusalByProxy(answer: IncomingMessage, { shown }: Pick<ProxyRoute, 'shown'>): ClientError {
  const { statusCode: status = 0, statusMessage = '', headers } = answer;
  const details = { status, headers: tellingOf(headers) };
  const said = printable(`${status} ${statusMessage}`);
  // tinyproxy says 401 to a wrong password.
  return status === 407 || status === 401
    ? new ClientError('WSTUNNEL_PROXY_AUTH', `the proxy ${shown} wants other credentials: ${said}`, details)
    : new ClientError('WSTUNNEL_PROXY_REFUSED', `the proxy ${shown} refused: ${said}`, details);
}

/** Never rejects: what is there when the time is up, or the connection lost, is the beginning. */
function beginningOf(answer: IncomingMessage, signal: AbortSignal): Promise<string> {
  return new Promise((resolve) => {
    const parts: Buffer[] = [];
    let length = 0;
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      answer.off('data', onData);
      answer.off('close', done);
      answer.destroy();
      resolve(Buffer.concat(parts).toString('utf8', 0, Math.min(length, MAX_BODY)));
    };
    const onData = (chunk: Buffer) => {
      parts.push(chunk);
      length += chunk.length;
      if (length >= MAX_BODY) done();
    };
    const timer = setTimeout(done, BODY_TIMEOUT * 1000);
    answer.on('error', () => undefined);
    answer.on('data', onData);
    answer.on('close', done);
    signal.addEventListener('abort', done);
  });
}

function tellingOf(headers: IncomingHttpHeaders): Record<string, string> {
  const told = TELLING.map((name) => [name, headers[name]] as const);
  return Object.fromEntries(
    told.filter((one) => one[1] !== undefined).map(([name, value]) => [name, [value].flat().join(', ')]),
  );
}

/** Words of others, which may end up on a terminal. */
function printable(text: string): string {
  return text
    .replace(/[^\x20-\x7e]/g, '')
    .trim()
    .slice(0, 200);
}

import { request as requestHttp, type ClientRequest } from 'node:http';
import type { Duplex } from 'node:stream';
import type { AbortState } from '../../helpers/abort.js';
import { checkAnswer, handshakeFailure, refusalFor, unusable, type BackendAnswer } from './answer.js';
import { HandshakeStream } from './handshake-stream.js';
import type { BackendHandshake } from './request-headers.js';

/** Most bytes of the head of an answer. */
const MAX_HEAD = 16_384;

/** Most 1xx answers, such as 103, before the final answer: without a limit, a backend could keep this process busy. */
const MAX_INFORMATIONAL = 10;

/** The backend's 101 response. */
export interface OpenedBackend {
  readonly answer: BackendAnswer;
  /** Bytes that arrived after the 101 response. */
  readonly head: Buffer;
}

/**
 * The opening handshake with a backend on an open connection (RFC 6455 section 4.1), by Node's HTTP client. Redirects are not followed.
 * Afterwards the socket is paused. Rejects with the refusal, or with the signal's reason; then the socket is destroyed.
 */
export function shakeHands(
  socket: Duplex,
  handshake: BackendHandshake,
  passStatus: boolean,
  signal: AbortState,
): Promise<OpenedBackend> {
  return new Promise((resolve, reject) => {
    const stream = new HandshakeStream(socket);
    let request: ClientRequest | undefined;
    let informational = 0;
    let isSettled = false;
    const settle = (act: () => void) => {
      if (isSettled) return;
      isSettled = true;
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const fail = (reason: unknown) =>
      settle(() => {
        request?.destroy();
        stream.destroy();
        reject(reason);
      });
    const onAbort = () => fail(signal.reason);
    try {
      request = requestHttp({
        createConnection: () => stream,
        method: 'GET',
        path: handshake.path,
        headers: handshake.headers,
        setHost: false,
        maxHeaderSize: MAX_HEAD,
      });
    } catch (error) {
      fail(error);
      return;
    }
    request.on('error', (error) => fail(handshakeFailure(error)));
    request.on('information', () => {
      if (++informational > MAX_INFORMATIONAL) fail(unusable('it sends 1xx responses without end'));
    });
    request.on('upgrade', (answer, _, rest) => {
      if (isSettled) return;
      try {
        const chosen = checkAnswer(answer, handshake);
        settle(() => resolve({ answer: chosen, head: Buffer.concat([rest, stream.leave()]) }));
      } catch (error) {
        fail(error);
      }
    });
    request.on('response', (answer) => {
      answer.on('error', ignore);
      fail(refusalFor(answer, passStatus));
    });
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    else request.end();
  });
}

function ignore(): void {
  // The answer is not read.
}

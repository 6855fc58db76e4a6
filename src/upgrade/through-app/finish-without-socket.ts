import { ServerResponse } from 'node:http';
import { Writable } from 'node:stream';
import type { AbortState } from '../../helpers/abort.js';
import { assignSocket, closeResponse, detachSocket, headerNamesOf } from '../../internals/node-http.js';

// The handshake writes some of these headers; the rest describe a body, and a 101 response has no body.
const NOT_ON_A_101 =
  /^(connection|upgrade|keep-alive|transfer-encoding|trailer|content-.*|sec-websocket-.*|date|etag)$/i;

/**
 * Finishes a response that is detached from its socket, with status 101 and without sending bytes, so that middleware sees the
 * end of the response: express-session saves the session and sets a cookie, loggers log, rate limiters count. Returns the header
 * lines for the real 101 response. Rejects with the signal's reason if the signal aborts first.
 */
export async function finishWithoutSocket(res: ServerResponse, signal: AbortState): Promise<string[]> {
  const sink = new Nowhere();
  res.statusCode = 101;
  assignSocket(res, sink);
  try {
    await finished(res, signal);
    return headerLinesOf(res);
  } finally {
    detachSocket(res, sink);
    closeResponse(res);
  }
}

/**
 * Does no other code notice how a detached response ends: no listener, no replaced method? `ownWriteHead`: the `writeHead` of this
 * package, if any.
 */
export function isUnwatched(res: ServerResponse, ownWriteHead: unknown): boolean {
  const proto = ServerResponse.prototype;
  return (
    res.end === proto.end &&
    res.emit === proto.emit &&
    (res.writeHead === ownWriteHead || res.writeHead === proto.writeHead) &&
    res.eventNames().length === 0
  );
}

/** {@link finishWithoutSocket} for a response that {@link isUnwatched}: without waiting for an event that nobody gets. */
export function finishUnwatched(res: ServerResponse, signal: AbortState): string[] {
  signal.throwIfAborted();
  res.statusCode = 101;
  // Without a socket Node keeps the header in memory.
  res.end();
  closeResponse(res);
  return headerLinesOf(res);
}

/** Lets the app write a response without a receiver. */
export function discardResponse(res: ServerResponse): void {
  const sink = new Nowhere();
  assignSocket(res, sink);
  res.once('finish', () => {
    detachSocket(res, sink);
    closeResponse(res);
  });
}

/** Drops all bytes. Each response needs a stream of its own, because a middleware may add listeners to `res.socket`. */
class Nowhere extends Writable {
  override _write(_chunk: unknown, _encoding: BufferEncoding, done: () => void): void {
    done();
  }
}

function finished(res: ServerResponse, signal: AbortState): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      res.off('finish', onFinish);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onFinish = () => settle(resolve);
    const onAbort = () => settle(() => reject(signal.reason));
    res.once('finish', onFinish);
    signal.addEventListener('abort', onAbort);
    try {
      if (signal.aborted) onAbort();
      else res.end();
    } catch (error) {
      // A middleware may have replaced `end`.
      settle(() => reject(error));
    }
  });
}

function headerLinesOf(res: ServerResponse): string[] {
  const lines: string[] = [];
  for (const name of headerNamesOf(res)) {
    if (NOT_ON_A_101.test(name)) continue;
    const value = res.getHeader(name);
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
  }
  return lines;
}

import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Writable } from 'node:stream';

// Those that the handshake itself writes, and those that speak of a body that there is not.
const NOT_ON_A_101 =
  /^(connection|upgrade|keep-alive|transfer-encoding|trailer|content-.*|sec-websocket-.*|date|etag)$/i;

/**
 * Ends a response that is detached from its socket as a 101 into nowhere, so that everything which waits for its end
 * happens: express-session saves and sets its cookie, loggers log, rate limiters count. Returns the headers for the
 * real 101. Rejects with the signal's reason where the end does not come.
 */
export async function finishVirtually(res: ServerResponse, signal: AbortSignal): Promise<string[]> {
  const nowhere = makeNowhere();
  res.statusCode = 101;
  res.assignSocket(nowhere);
  try {
    await ended(res, signal);
  } finally {
    res.detachSocket(nowhere);
    closeResponse(res);
  }
  return headerLines(res);
}

/** Lets a response that nobody will get run to its end. */
export function answerNobody(res: ServerResponse): void {
  const nowhere = makeNowhere();
  res.assignSocket(nowhere);
  res.once('finish', () => {
    res.detachSocket(nowhere);
    closeResponse(res);
  });
}

function makeNowhere(): Socket {
  return new Writable({ write: (_chunk, _encoding, done) => done() }) as unknown as Socket;
}

function ended(res: ServerResponse, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      res.off('finish', onFinish);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onFinish = () => settle(resolve);
    const onAbort = () => settle(() => reject(signal.reason as Error));
    res.once('finish', onFinish);
    signal.addEventListener('abort', onAbort);
    try {
      if (signal.aborted) onAbort();
      else res.end();
    } catch (error) {
      // A middleware's own `end`.
      settle(() => reject(error));
    }
  });
}

/** What Node does with a response after its end: marked destroyed, a late write is dropped instead of raising `error`. */
export function closeResponse(res: ServerResponse): void {
  process.nextTick(() => {
    if (res.destroyed) return;
    res.destroyed = true;
    res.emit('close');
  });
}

function headerLines(res: ServerResponse): string[] {
  const lines: string[] = [];
  // As they were spelt; the types know this method on requests only.
  const names = (res as unknown as { getRawHeaderNames(): string[] }).getRawHeaderNames();
  for (const name of names) {
    if (NOT_ON_A_101.test(name)) continue;
    const value = res.getHeader(name);
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`);
  }
  return lines;
}

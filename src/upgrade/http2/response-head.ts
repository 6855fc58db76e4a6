import type { OutgoingHttpHeaders } from 'node:http2';

/** What an HTTP/1.1 response begins with. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

// Those of one connection (RFC 9113 section 8.2.2), and what a handshake over HTTP/2 does without (RFC 8441 section 5).
const NOT_OVER_HTTP2 =
  /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|http2-settings|sec-websocket-accept)$/;

const END = '\r\n\r\n';

/**
 * Finds the head of a response in what the app has written. It is Node's own text, or `ws`'s or ours: names and values are
 * checked already.
 */
export class HeadReader {
  #waiting = Buffer.alloc(0);

  /** The next head, once it is complete, and what came behind it. */
  push(bytes: Buffer): { head: ResponseHead; rest: Buffer } | undefined {
    this.#waiting = Buffer.concat([this.#waiting, bytes]);
    const end = this.#waiting.indexOf(END);
    if (end < 0) return undefined;
    const text = this.#waiting.toString('latin1', 0, end);
    const rest = this.#waiting.subarray(end + END.length);
    this.#waiting = Buffer.alloc(0);
    return { head: parse(text), rest };
  }
}

function parse(text: string): ResponseHead {
  const [start = '', ...lines] = text.split('\r\n');
  const headers: Record<string, string | string[]> = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    const name = line.slice(0, colon).toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (NOT_OVER_HTTP2.test(name)) continue;
    const known = headers[name];
    headers[name] = known === undefined ? value : [known, value].flat();
  }
  return { status: Number(start.split(' ')[1]), headers };
}

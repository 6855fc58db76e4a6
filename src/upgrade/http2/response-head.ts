import type { OutgoingHttpHeaders } from 'node:http2';

/** The status and headers of an HTTP/1.1 response. */
export interface ResponseHead {
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;
}

// Headers of one connection (RFC 9113 section 8.2.2), and headers absent from a handshake over HTTP/2 (RFC 8441 section 5).
const NOT_OVER_HTTP2 =
  /^(connection|keep-alive|proxy-connection|transfer-encoding|upgrade|te|http2-settings|sec-websocket-accept)$/;

const END = '\r\n\r\n';

/**
 * Finds the head of a response in the bytes that the app has written. Node, `ws` or this package wrote the bytes, so that
 * names and values are valid.
 */
export class HeadReader {
  #unparsed = Buffer.alloc(0);

  /** The next complete head, and the bytes after the head. */
  push(bytes: Buffer): { head: ResponseHead; rest: Buffer } | undefined {
    this.#unparsed = Buffer.concat([this.#unparsed, bytes]);
    const end = this.#unparsed.indexOf(END);
    if (end < 0) return undefined;
    const text = this.#unparsed.toString('latin1', 0, end);
    const rest = this.#unparsed.subarray(end + END.length);
    this.#unparsed = Buffer.alloc(0);
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
